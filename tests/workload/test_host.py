import anyio
import httpx
import pytest

from slipway.errors import BadInputError, RefusedError
from slipway.oci.artifact import Artifact, Blob, File, TreeConfig, pack
from slipway.oci.registry import opened as registry_opened
from slipway.records.image import Reference
from slipway.simulator.clock import VirtualClock
from slipway.simulator.cloud import LOGIN
from slipway.workload.process import HostBackend
from slipway.workload.workload import LaunchSpec
from tests.simulator.account import opened

pytestmark = pytest.mark.slow

PROJECT = File("pyproject.toml", b'[project]\nname = "empty"\nversion = "0"\nrequires-python = ">=3.11"\n')
LOCK = File(
    "uv.lock",
    b'version = 1\nrequires-python = ">=3.11"\n[[package]]\nname = "empty"\nversion = "0"\nsource = { virtual = "." }\n',
)
TELL = File("tell.py", b"import os, sys\nprint(*sys.argv[1:], os.environ['COLOUR'], os.environ['GIT_REVISION'])\n")
PAGE = File("index.html", b"hello")
TELLING = TreeConfig(("python", "tell.py", "once"), 8000, {"GIT_REVISION": "0123abc", "COLOUR": "red"})
SERVING = TreeConfig(("python", "-m", "http.server", "--bind", "0.0.0.0", "8000"), 8000, {})


@pytest.fixture
async def backend(tmp_path):
    """A backend on the registry of an account, with a cache of its own."""
    async with opened(clock=VirtualClock()) as account:
        yield HostBackend(url=account.cloud.url, login=LOGIN, cache=tmp_path / "cache")


async def pushed(backend: HostBackend, artifact: Artifact) -> str:
    async with registry_opened(backend.url, "notes", backend.login) as registry:
        return await registry.push(artifact)


async def release(backend: HostBackend, config: TreeConfig = TELLING) -> str:
    return await pushed(backend, pack((PROJECT, LOCK, TELL, PAGE), config, 0, {}))


async def said_by(backend: HostBackend, order: LaunchSpec) -> list[str]:
    lines: list[str] = []
    async with backend.start(order, lines.append) as workload:
        with anyio.fail_after(60):
            while workload.exit_code is None:  # noqa: ASYNC110
                await anyio.sleep(0.01)
    return lines


async def test_a_release_is_started_from_its_digest(backend):
    order = LaunchSpec(repository="notes", digest=await release(backend, SERVING), port=8000)
    async with backend.start(order, lambda _line: None) as workload, httpx.AsyncClient() as client:
        with anyio.fail_after(60):
            while True:
                try:
                    answer = await client.get(f"http://{workload.address}/index.html")
                    break
                except httpx.ConnectError:
                    await anyio.sleep(0.02)
    assert answer.text == "hello"


async def test_variables_of_the_environment_win_over_those_of_the_release(backend):
    order = LaunchSpec(repository="notes", digest=await release(backend), port=8000, variables={"COLOUR": "blue"})
    assert await said_by(backend, order) == ["once blue 0123abc"]


async def test_a_start_command_replaces_that_of_the_release(backend):
    order = LaunchSpec(
        repository="notes", digest=await release(backend), port=8000, command=("python", "tell.py", "twice")
    )
    assert await said_by(backend, order) == ["twice red 0123abc"]


async def test_the_files_are_gone_when_it_has_stopped(backend):
    digest = await release(backend)
    async with backend.unpacked("notes", digest) as unpacked:
        assert (unpacked.folder / "tell.py").is_file()
        assert unpacked.config == TELLING
    assert not unpacked.folder.exists()


async def test_a_digest_that_is_not_there_is_bad_input(backend):
    with pytest.raises(BadInputError, match="notes has no image sha256:00"):
        await said_by(backend, LaunchSpec(repository="notes", digest="sha256:" + "00" * 32, port=8000))


async def test_an_image_for_containers_is_refused(backend):
    image = Artifact(kind="application/vnd.oci.image", config=Blob("application/x", b"{}"), layers=())
    reference = Reference("notes", await pushed(backend, image))
    with pytest.raises(RefusedError, match="is not a source tree: without a container engine"):
        await said_by(backend, LaunchSpec(repository="notes", digest=reference.digest, port=8000))


@pytest.mark.parametrize("layers", [(), (Blob("application/x", b"no archive"),)], ids=["no layer", "no archive"])
async def test_a_tree_without_its_files_is_refused(backend, layers):
    whole = pack((PROJECT, LOCK), TELLING, 0, {})
    digest = await pushed(backend, Artifact(kind=whole.kind, config=whole.config, layers=layers))
    with pytest.raises(RefusedError):
        await said_by(backend, LaunchSpec(repository="notes", digest=digest, port=8000))


async def test_a_release_without_a_lock_is_bad_input(backend):
    digest = await pushed(backend, pack((TELL,), TELLING, 0, {}))
    with pytest.raises(BadInputError, match="no file declares the service's dependencies"):
        await said_by(backend, LaunchSpec(repository="notes", digest=digest, port=8000))


def test_the_values_of_an_order_are_not_shown():
    assert "hunter2" not in repr(
        LaunchSpec(repository="notes", digest="sha256:12", port=8000, variables={"PASSWORD": "hunter2"})
    )
