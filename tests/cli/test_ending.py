"""SIGTERM ends a command in order, however it was started."""

import signal
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("interrupts", [signal.SIG_DFL, signal.SIG_IGN], ids=["in front", "in the background"])
def test_sigterm_ends_a_command_that_a_script_started(interrupts):
    command = [sys.executable, "-m", "slipway.cli", "simulator", "--port", "0"]
    before = signal.signal(signal.SIGINT, interrupts)  # a child inherits ignored signals, as in a shell's background
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert process.stdout.readline().startswith("listening on ")
        process.terminate()
        _, said = process.communicate(timeout=20)
        assert (process.returncode, said) == (
            130,
            "slipway: interrupted; its processes on this machine are stopped\n",
        )
    finally:
        process.kill()
        process.wait()
