import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import pytest
from starlette.responses import PlainTextResponse

from slipway.errors import BadInputError, within
from slipway.oci.artifact import File, TreeConfig, pack
from slipway.oci.registry import opened as registry_opened
from slipway.release.targets.app_runner.target import POLL_SECONDS
from slipway.simulator import clock as clock_module
from slipway.simulator import serving as serving_module
from slipway.simulator.app_runner.service import Pace
from slipway.simulator.clock import Clock, VirtualClock
from slipway.simulator.cloud import LOGIN, simulated
from slipway.simulator.serving import serving
from slipway.workload.process import HostBackend
from slipway.workload.workload import NO_CERTIFICATES
from tests.simulator.account import SLOW, Account, asked, opened
from tests.simulator.scripted import Script, ScriptedBackend

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/token-aBcDeF"
LOCK = (
    b'version = 1\nrequires-python = ">=3.11"\n[[package]]\nname = "empty"\nversion = "0"\nsource = { virtual = "." }\n'
)
PROJECT = b'[project]\nname = "empty"\nversion = "0"\nrequires-python = ">=3.11"\n'


async def refuses(address: str) -> bool:
    host, _, port = address.removeprefix("http://").partition(":")
    try:
        async with await anyio.connect_tcp(host, int(port)):
            return False
    except OSError:
        return True


async def test_a_port_in_use_is_bad_input():
    async with simulated(lambda _url: ScriptedBackend()) as cloud:
        port = int(cloud.url.rpartition(":")[2])
        with pytest.raises(BadInputError, match=f"port {port} cannot be used: .*; choose another with --port"):
            async with serving(lambda *_: None, port):
                pass
        with pytest.raises(ExceptionGroup) as raised:
            async with simulated(lambda _url: ScriptedBackend(), port=port):
                pass
    error = within(raised.value)
    assert isinstance(error, BadInputError)
    assert str(port) in error.what


async def test_an_account_listens_on_the_port_that_it_is_given():
    async with simulated(lambda _url: ScriptedBackend()) as cloud:
        port = int(cloud.url.rpartition(":")[2])
    async with simulated(lambda _url: ScriptedBackend(), port=port) as cloud:
        assert cloud.url == f"http://127.0.0.1:{port}"


async def test_secrets_are_there_from_the_beginning():
    async with opened(clock=VirtualClock(), secrets={SECRET: "hunter2"}) as account:
        read = await account.ask("secretsmanager", "get_secret_value", SecretId=SECRET)
    assert read["SecretString"] == "hunter2"


@pytest.mark.parametrize("pace", [None, SLOW], ids=["running", "in progress"])
async def test_everything_is_stopped_at_the_end(pace):
    async with opened(**({"pace": pace} if pace else {})) as account:
        arn = await account.create(await account.image())
        await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(await account.image()))
        front = (await account.described(arn))["ServiceUrl"]
        if pace is None:
            await account.settled(arn)
        assert account.backend.running
        assert not await refuses(front)
    assert account.backend.running == []
    assert await refuses(front)
    assert await refuses(account.cloud.url)


async def test_everything_is_stopped_when_the_block_is_cancelled():
    with anyio.CancelScope() as scope:
        async with opened(clock=VirtualClock()) as account:
            await account.create(await account.image())
            scope.cancel()
            await anyio.sleep(1)
    assert account.backend.running == []


def of_this_test(home: Path) -> set[int]:
    """Return the processes whose working folder is below `home`."""
    found = set()
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and (process / "cwd").readlink().is_relative_to(home):
                found.add(int(process.name))
        except OSError:
            continue
    return found


def page(text: str) -> bytes:
    return f"<p>{text}</p>".encode()


@pytest.mark.slow
async def test_releases_run_as_processes_behind_an_address_that_stays(tmp_path, monkeypatch):
    """Push, create, update, roll back and stop once, with nothing scripted."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command = ("python", "-m", "http.server", "--bind", "0.0.0.0", "8000")

    async def pushed(account: Account, text: str, command: tuple[str, ...] = command) -> str:
        pages = (File("index.html", page(text)), File("healthz", b"ok"))
        files = (*pages, File("uv.lock", LOCK), File("pyproject.toml", PROJECT))
        async with registry_opened(account.cloud.url, "notes", LOGIN) as registry:
            return await registry.push(pack(files, TreeConfig(command, 8000, {}), 0, {}))

    def backend_at(url: str) -> HostBackend:
        return HostBackend(url=url, login=LOGIN, cache=tmp_path / "cache")

    pace = Pace(pull=1, create=1, update=1, timeout=2000, route=1, roll_back=1)
    async with (
        opened(backend_at, clock=Clock(100), pace=pace) as account,
        httpx.AsyncClient(verify=NO_CERTIFICATES) as client,
    ):
        one = asked(await pushed(account, "one"), Port="8000")
        begun = await account.ask("apprunner", "create_service", ServiceName="notes", **one)
        arn = begun["Service"]["ServiceArn"]
        url = f"http://{(await account.settled(arn))['ServiceUrl']}/"
        assert (await client.get(url)).content == page("one")
        assert len(of_this_test(tmp_path)) == 1
        operation = await account.update(arn, **asked(await pushed(account, "two"), Port="8000"))
        assert operation["Status"] == "SUCCEEDED"
        assert (await client.get(url)).content == page("two")
        broken = await pushed(account, "three", ("python", "-c", "raise SystemExit('no schema')"))
        operation = await account.update(arn, **asked(broken, Port="8000"))
        assert operation["Status"] == "ROLLBACK_SUCCEEDED"
        assert (await client.get(url)).content == page("two")
        assert "no schema" in await account.lines(arn, "application")
        assert len(of_this_test(tmp_path)) == 1
    assert of_this_test(tmp_path) == set()


async def test_a_release_that_the_backend_cannot_run_fails_its_deployment_and_nothing_else():
    """An image that is not a tree is a failed operation; the account continues."""
    async with opened(
        lambda url: HostBackend(url=url, login=LOGIN, cache=Path("/nowhere")), clock=VirtualClock()
    ) as account:
        arn = await account.create(await account.image(Script()))
        assert (await account.described(arn))["Status"] == "CREATE_FAILED"
        assert any("is not a source tree" in line for line in await account.lines(arn, "service"))


async def test_the_platforms_time_runs_at_its_speed(monkeypatch):
    real = [100.0]

    async def sleep(seconds: float) -> None:
        real[0] += seconds

    monkeypatch.setattr(clock_module, "time", SimpleNamespace(monotonic=lambda: real[0]))
    monkeypatch.setattr(clock_module, "anyio", SimpleNamespace(sleep=sleep))
    clock = Clock(speed=600)
    began = clock.now()
    await clock.sleep(60)
    assert (real[0], (clock.now() - began).total_seconds()) == (pytest.approx(100.1), pytest.approx(60))


@pytest.mark.parametrize("work", [0, 0.05])
async def test_virtual_time_passes_only_while_those_who_hold_it_rest(work):
    """An operation of 10 s that is asked about every 3 s is over after 12 s, however long the machine works in between."""
    clock, seen = VirtualClock(), []
    began = clock.now()

    async def operation():
        await clock.sleep(10)
        seen.append("over")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        with clock.held():
            tasks.start_soon(operation)
            while not seen:
                await anyio.sleep(work)
                await clock.rest(3)
        tasks.cancel_scope.cancel()
    assert (clock.now() - began).total_seconds() == 12


async def kept_for(pause: float) -> bool:
    """Return whether a connection answers again after a pause."""
    async with serving(PlainTextResponse("here")) as address:
        host, _, port = address.partition(":")
        async with await anyio.connect_tcp(host, int(port)) as connection:
            await connection.send(b"GET / HTTP/1.1\r\nHost: simulator\r\n\r\n")
            assert (await connection.receive()).startswith(b"HTTP/1.1 ")
            await anyio.sleep(pause)
            try:
                await connection.send(b"GET / HTTP/1.1\r\nHost: simulator\r\n\r\n")
                return (await connection.receive()).startswith(b"HTTP/1.1 ")
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return False


async def test_a_connection_outlives_the_polling_interval_of_the_release_engine(monkeypatch):
    """A client behind the tunnel of a Dagger engine does not notice that a connection has ended."""
    assert (
        serving_module.IDLE_SECONDS > 4 * POLL_SECONDS
    )  # log and operation are asked in turn, each by a client of its own
    assert await kept_for(0.1)
    monkeypatch.setattr(serving_module, "IDLE_SECONDS", 0.01)
    assert not await kept_for(0.1)


def test_heavy_imports_wait_until_a_request_or_a_release_needs_them():
    late = "{'botocore', 'boto3', 'httpx', 'rich'} & set(sys.modules)"
    begun = "from slipway.local.simulator import Beginning; Beginning.of(None, None, {})"
    command = [sys.executable, "-c", f"import sys; {begun}; print(*{late})"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == []
