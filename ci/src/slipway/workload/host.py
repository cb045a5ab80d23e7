"""The backend of a machine without containers: pulls a release by digest, unpacks it, starts a process."""

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
    """A digest that is not a source tree; only containers can run it."""


@dataclass(frozen=True)
class Unpacked:
    """A release on disk, ready to run."""

    folder: Path
    python: Python
    config: TreeConfig


@dataclass(frozen=True)
class HostBackend:
    """Runs releases of the kind `tree` from the registry at `url`; `cache` keeps their environments."""

    url: str
    login: Login | None
    cache: Path
    how: str = "a process"

    @asynccontextmanager
    async def unpacked(self, repository: str, digest: str) -> AsyncIterator[Unpacked]:
        """Unpack a release into a temporary folder while the block runs; raises SlipwayError."""
        async with opened(self.url, repository, self.login) as registry:
            manifest = await registry.manifest(digest)
            if manifest.get("artifactType") != tree.KIND or not manifest.get("layers"):
                raise NoTreeError(
                    f"{repository}@{digest} is not a source tree",
                    "without a container engine, slipway runs only what `slipway rehearse` built on this machine",
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
