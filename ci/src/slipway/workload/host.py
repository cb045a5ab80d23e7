"""The backend of a machine without containers: a release is pulled by digest, unpacked, and started as a process."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from slipway.errors import RefusedError
from slipway.oci import tree
from slipway.oci.registry import Login, opened
from slipway.oci.tree import TreeConfig
from slipway.workload.dependencies import Python, prepare
from slipway.workload.process import Launch, ProcessWorkload, running
from slipway.workload.workload import LaunchSpec


class NoTreeError(RefusedError):
    """A digest that only containers can run."""


@dataclass(frozen=True)
class Unpacked:
    """A release on disk, ready to run: its files, its environment, how it is started."""

    folder: Path
    python: Python
    config: TreeConfig


@dataclass(frozen=True)
class HostBackend:
    """Starts releases of the kind `tree` from the registry at `url`; `cache` keeps their environments."""

    url: str
    login: Login | None
    cache: Path
    how: str = "a process"

    @asynccontextmanager
    async def unpacked(self, repository: str, digest: str) -> AsyncIterator[Unpacked]:
        """The files of a release in a folder of their own, for as long as the block lasts; raises SlipwayError."""
        async with opened(self.url, repository, self.login) as registry:
            manifest = await registry.manifest(digest)
            if manifest.get("artifactType") != tree.KIND or not manifest.get("layers"):
                raise NoTreeError(
                    f"{repository}@{digest} is no source tree",
                    "a machine without a container engine runs what `slipway rehearse` built on it",
                )
            config = tree.read_config(await registry.blob(manifest["config"]["digest"]), f"{repository}@{digest}")
            layer = await registry.blob(manifest["layers"][0]["digest"])
        with tempfile.TemporaryDirectory(prefix="slipway-release-", ignore_cleanup_errors=True) as home:
            folder = Path(home, "tree")
            await anyio.to_thread.run_sync(tree.unpack, layer, folder)
            yield Unpacked(folder, await anyio.to_thread.run_sync(prepare, folder, self.cache), config)

    @asynccontextmanager
    async def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AsyncIterator[ProcessWorkload]:
        """See `Backend.start`."""
        async with self.unpacked(order.repository, order.digest) as release:
            launch = Launch(
                tree=release.folder,
                python=release.python,
                command=order.command or release.config.command,
                port=order.port,
                variables=dict(release.config.variables) | dict(order.variables),
            )
            async with running(launch, on_line) as workload:
                yield workload
