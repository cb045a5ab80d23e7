import argparse
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from slipway.cli import in_a_child_task
from slipway.errors import RefusedError


def test_an_interruption_waits_for_a_thread_before_its_folder_is_removed(tmp_path):
    """A thread that unpacks a release continues after Ctrl-C, and would fill a folder that is being removed."""
    writing = threading.Event()

    def write(folder):
        writing.set()
        interrupted.wait()
        for number in range(50):
            (folder / f"{number}").mkdir(parents=True)
            time.sleep(0.001)

    async def command(_):
        with tempfile.TemporaryDirectory(dir=tmp_path, ignore_cleanup_errors=True) as folder:
            await anyio.to_thread.run_sync(write, Path(folder))
        return 0

    interrupted = threading.Event()

    def interrupt():
        writing.wait()
        os.kill(os.getpid(), signal.SIGINT)
        interrupted.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        anyio.run(in_a_child_task, command, argparse.Namespace())
    thread.join()
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_a_command_is_raised_as_it_is():
    async def command(_):
        raise RefusedError("no", "wait")

    with pytest.raises(RefusedError, match="no: wait"):
        anyio.run(in_a_child_task, command, argparse.Namespace())


def test_the_exit_code_of_a_command_is_returned():
    async def command(_):
        return 3

    assert anyio.run(in_a_child_task, command, argparse.Namespace()) == 3
