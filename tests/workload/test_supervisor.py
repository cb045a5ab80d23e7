"""The supervisor in a container: every connection gets the command's output and exit code."""

import signal
import socket
import subprocess
import sys
import time

import pytest

from slipway.workload import supervisor
from slipway.workload.process import free_port

SAYS = "import sys; print('one'); print('two', file=sys.stderr, flush=True); print('\\udcff'.encode('utf-8', 'surrogateescape')); sys.exit(3)"
WAITS = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: (print('stopped', flush=True), sys.exit(0)))\nprint('ready', flush=True)\ntime.sleep(600)"


@pytest.fixture
def start():
    """Return a function that starts the supervisor as a container does, without slipway on the path."""
    started = []

    def run(code):
        port = free_port()
        command = [sys.executable, "-I", supervisor.__file__, str(port), sys.executable, "-u", "-c", code]
        process = subprocess.Popen(command)
        started.append(process)
        return process, port

    yield run
    for process in started:
        process.kill()
        process.wait()


def connected(port):
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def on_line(port):
    with connected(port) as connection, connection.makefile("rb") as lines:
        return list(lines)


def test_every_line_is_sent_and_last_the_exit_code(start):
    _, port = start(SAYS)
    *lines, end = on_line(port)
    assert sorted(lines)[:1] + sorted(lines)[-1:] == [b"Lb'\\xff'\n", b"Ltwo\n"]
    assert b"Lone\n" in lines
    assert end == b"E3\n"


def test_a_line_without_an_end_is_sent_in_pieces(start):
    _, port = start("print('x' * 100_000)")
    *lines, end = on_line(port)
    assert max(map(len, lines)) < 64_000
    assert b"".join(line[1:-1] for line in lines) == b"x" * 100_000
    assert end == b"E0\n"


def test_a_late_or_second_connection_gets_everything(start):
    _, port = start(SAYS)
    assert on_line(port) == on_line(port)


def test_a_connection_that_closes_at_once_disturbs_nothing(start):
    _, port = start(SAYS)
    connected(port).close()
    assert on_line(port)[-1] == b"E3\n"


def test_a_service_does_not_end_with_its_command(start):
    process, port = start(SAYS)
    on_line(port)
    assert process.poll() is None


def test_a_program_that_is_not_installed_is_named_as_a_shell_does():
    port = free_port()
    with subprocess.Popen([sys.executable, "-I", supervisor.__file__, str(port), "gunicron", "app:app"]) as process:
        assert on_line(port) == [b"Lexec gunicron: no such file or directory\n", b"E127\n"]
        process.terminate()


def test_a_signal_passes_through_to_the_command_and_ends_both(start):
    process, port = start(WAITS)
    with connected(port) as connection, connection.makefile("rb") as lines:
        assert lines.readline() == b"Lready\n"
        process.send_signal(signal.SIGTERM)
        assert lines.readline() in {b"Lstopped\n", b""}
    assert process.wait(10) == 0
