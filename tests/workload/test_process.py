import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.errors import BadInputError
from slipway.oci.artifact import TreeConfig
from slipway.workload import process
from slipway.workload.process import ProcessWorkload, Unpacked, on_this_machine, running
from slipway.workload.python import Python
from slipway.workload.workload import LaunchSpec

pytestmark = pytest.mark.slow

PYTHON = Python(Path(sys.prefix))
FOREVER = "import time; print('ready'); time.sleep(600)"


@asynccontextmanager
async def started(tree: Path, *command: str, lines: list[str] | None = None, port: int = 8000, **variables: str):
    release = Unpacked(tree, PYTHON, TreeConfig(command, port, {}))
    order = LaunchSpec(repository="notes", digest="sha256:1", port=port, variables=variables)
    async with running(release, order, (lines if lines is not None else []).append) as workload:
        yield workload


async def ended(workload: ProcessWorkload) -> int:
    with anyio.fail_after(60):
        while (code := workload.exit_code) is None:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    return code


async def on_line(lines: list[str], line: str) -> None:
    with anyio.fail_after(60):
        while line not in lines:  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def said_by(tree: Path, *command: str, **variables: str) -> list[str]:
    """Return the output of a command that ends by itself."""
    lines: list[str] = []
    async with started(tree, *command, lines=lines, **variables) as workload:
        await ended(workload)
    return lines


async def test_lines_name_the_address_of_the_container_instead_of_the_one_on_this_machine(tmp_path):
    say = "import sys; print('listening at', sys.argv[2])"
    everywhere = await said_by(tmp_path, sys.executable, "-c", say, "--bind", "0.0.0.0:8000")
    assert everywhere == ["listening at 0.0.0.0:8000"]
    (loopback,) = await said_by(tmp_path, sys.executable, "-c", say, "--bind", "127.0.0.1:8000")
    assert loopback.startswith("listening at 127.0.0.1:")


def alive(pid: int) -> bool:
    """Return whether a process still runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("command", "here"),
    [
        (["uvicorn", "--host", "0.0.0.0", "--port", "8000"], ["uvicorn", "--host", "127.0.0.1", "--port", "41230"]),
        (["uvicorn", "--host=0.0.0.0", "--port=8000"], ["uvicorn", "--host=127.0.0.1", "--port=41230"]),
        (["uvicorn", "--host", "::"], ["uvicorn", "--host", "127.0.0.1"]),
        (["gunicorn", "--bind", "0.0.0.0:8000"], ["gunicorn", "--bind", "127.0.0.1:41230"]),
        (["gunicorn", "--bind=[::]:8000"], ["gunicorn", "--bind=127.0.0.1:41230"]),
        (["gunicorn", "-b", "127.0.0.1:8000"], ["gunicorn", "-b", "127.0.0.1:41230"]),
        (["daphne", "-b", "0.0.0.0", "-p", "8000"], ["daphne", "-b", "127.0.0.1", "-p", "41230"]),
        (["granian", ":8000"], ["granian", ":41230"]),
        (["env", "PORT=8000", "serve"], ["env", "PORT=41230", "serve"]),
        (["serve", "--workers", "80000", "--max", "18000"], ["serve", "--workers", "80000", "--max", "18000"]),
        (["serve", "app:main", "--peer", "10.0.0.0"], ["serve", "app:main", "--peer", "10.0.0.0"]),
        (["serve", "https://example.org/8000"], ["serve", "https://example.org/8000"]),
        (["serve"], ["serve"]),
    ],
    ids=" ".join,
)
def test_a_command_gets_the_port_and_the_interface_of_this_machine(command, here):
    assert on_this_machine(tuple(command), 8000, 41230) == tuple(here)


@given(st.lists(st.text(alphabet="abc-/=. 19", max_size=12)))
def test_a_command_that_names_neither_port_nor_interface_stays_as_it_is(command):
    assert on_this_machine(tuple(command), 8000, 41230) == tuple(command)


async def test_a_service_that_listens_where_it_always_does_is_reached_at_its_address(tmp_path):
    (tmp_path / "index.html").write_text("hello")
    command = ("python", "-m", "http.server", "--bind", "0.0.0.0", "8000")
    async with started(tmp_path, *command) as workload, httpx.AsyncClient() as client:
        with anyio.fail_after(60):
            while True:
                try:
                    answer = await client.get(f"http://{workload.address}/index.html")
                    break
                except httpx.ConnectError:
                    await anyio.sleep(0.02)
    assert answer.text == "hello"


async def test_two_instances_of_one_release_share_the_machine(tmp_path):
    tell = ("python", "-c", "import os; print(os.environ['PORT']); import time; time.sleep(600)")
    one, two = [], []
    async with started(tmp_path, *tell, lines=one) as first, started(tmp_path, *tell, lines=two) as second:
        await on_line(one, first.address.removeprefix("127.0.0.1:"))
        await on_line(two, second.address.removeprefix("127.0.0.1:"))
    assert first.address != second.address


async def test_what_the_parent_knows_does_not_leak(tmp_path, monkeypatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "DATABASE_URL", "GITHUB_TOKEN", "PYTHONPATH", "UV_PYTHON"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("TZ", "Europe/Zurich")
    lines = await said_by(tmp_path, "python", "-c", "import os; [print(f'{k}={v}') for k, v in os.environ.items()]")
    assert not [line for line in lines if "canary" in line]
    names = {line.partition("=")[0] for line in lines}
    assert {"PATH", "PORT", "HOME", "TZ", "VIRTUAL_ENV"} <= names
    assert names <= {
        "PATH",
        "PORT",
        "HOME",
        "VIRTUAL_ENV",
        "PYTHONUNBUFFERED",
        "COLUMNS",
        *process._INHERITED,
        "LC_CTYPE",
    }


async def test_a_service_gets_its_variables_and_its_own_port(tmp_path):
    tell = "import os; print(os.environ['COLOUR'], os.environ['HOME'], os.getcwd(), os.environ['PORT'])"
    async with started(tmp_path, "python", "-c", tell, lines=(lines := []), COLOUR="blue", PORT="80") as workload:
        await ended(workload)
    assert lines == [f"blue {tmp_path} {tmp_path} {workload.address.removeprefix('127.0.0.1:')}"]


async def test_a_command_is_not_passed_through_a_shell(tmp_path):
    assert await said_by(tmp_path, "echo", "$HOME", "a  b", "; id") == ["$HOME a  b ; id"]


async def test_a_program_of_the_release_itself_is_found_by_its_path(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/start").write_text("#!/bin/sh\necho started\n")
    (tmp_path / "bin/start").chmod(0o755)
    assert await said_by(tmp_path, "bin/start") == ["started"]


@pytest.mark.parametrize("name", ["no-such-program", "./no-such-program", "./main.py", "./folder", "./broken"])
async def test_a_program_that_cannot_be_started_is_bad_input_that_names_it(tmp_path, name):
    (tmp_path / "main.py").write_text("print('not executable')\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").write_text("#!/no/such/interpreter\n")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(BadInputError) as refused:
        async with started(tmp_path, name, "--port", "8000"):
            pass
    assert name in refused.value.what
    assert "command in [tool.slipway]" in refused.value.next_step


async def test_every_line_is_read_to_the_end(tmp_path):
    tell = "import sys; [print(n) for n in range(5000)]; print('to stderr', file=sys.stderr); print('last', end='')"
    assert await said_by(tmp_path, "python", "-c", tell) == [*map(str, range(5000)), "to stderr", "last"]


async def test_output_after_the_signal_to_stop_is_read(tmp_path):
    tell = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print('closing the pool'), print('bye', end=''), sys.exit()))
print('ready')
time.sleep(600)
"""
    lines: list[str] = []
    async with started(tmp_path, "python", "-c", tell, lines=lines):
        await on_line(lines, "ready")
    assert lines == ["ready", "closing the pool", "bye"]


async def test_a_line_of_nonsense_or_without_an_end_does_no_harm(tmp_path):
    tell = r"import sys; w = sys.stdout.buffer.write; w(b'\xff\xfe\n'); w('größe\n'.encode()); w(b'x' * 1_000_000)"
    nonsense, size, endless = await said_by(tmp_path, "python", "-c", tell)
    assert (nonsense, size) == ("\ufffd\ufffd", "größe")
    assert set(endless) == {"x"}
    assert len(endless) <= process._LONGEST_LINE


async def test_there_is_nothing_to_read_from_stdin(tmp_path):
    assert await said_by(tmp_path, "python", "-c", "import sys; print(repr(sys.stdin.read()))") == ["''"]


@pytest.mark.parametrize("code", [0, 1, 3])
async def test_the_exit_code_is_known_when_it_has_ended(tmp_path, code):
    may = tmp_path / "may-end"
    async with started(
        tmp_path,
        "python",
        "-c",
        f"import os, time\nwhile not os.path.exists({str(may)!r}): time.sleep(0.01)\nraise SystemExit({code})",
    ) as workload:
        assert workload.exit_code is None
        may.touch()
        assert await ended(workload) == code


async def test_a_process_that_does_not_listen_to_the_order_to_stop_is_killed_after_some_grace(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_GRACE_SECONDS", 1.0)
    lines: list[str] = []
    ignore = f"import signal; signal.signal(signal.SIGTERM, lambda *_: print('no')); {FOREVER.replace('600', '0.01')}"
    stubborn = ignore + "\nwhile True: time.sleep(1)"
    async with started(tmp_path, "python", "-c", stubborn, lines=lines) as workload:
        await on_line(lines, "ready")
        asked = time.monotonic()
    assert time.monotonic() - asked >= 1.0
    assert (workload.exit_code, lines) == (-9, ["ready", "no"])


async def test_a_process_that_listens_is_not_made_to_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_GRACE_SECONDS", 600)
    async with started(tmp_path, "python", "-c", FOREVER, lines=(lines := [])) as workload:
        await on_line(lines, "ready")
        asked = time.monotonic()
    assert time.monotonic() - asked < 300
    assert workload.exit_code == -15


@pytest.mark.parametrize("parent", ["time.sleep(600)", "sys.exit()"], ids=["with its parent", "after its parent"])
async def test_what_a_process_has_started_is_stopped_too(tmp_path, parent):
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(600)"
    start = f"import subprocess, sys, time; print(subprocess.Popen([sys.executable, '-c', {stubborn!r}]).pid); {parent}"
    async with started(tmp_path, "python", "-c", start, lines=(lines := [])):
        await on_line(lines, "ready")
        (child,) = (int(line) for line in lines if line.isdecimal())
        assert alive(child)
    with anyio.fail_after(60):
        while alive(child):  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def test_a_cancelled_wait_stops_the_process(tmp_path):
    with anyio.CancelScope() as scope:
        async with started(tmp_path, "python", "-c", FOREVER, lines=(lines := [])) as workload:
            await on_line(lines, "ready")
            scope.cancel()
            await anyio.sleep_forever()
    assert workload.exit_code == -15


async def test_an_error_in_the_block_stops_the_process(tmp_path):
    with pytest.raises(ExceptionGroup) as raised:
        async with started(tmp_path, "python", "-c", FOREVER) as workload:
            raise ValueError
    assert raised.group_contains(ValueError)
    assert workload.exit_code == -15
