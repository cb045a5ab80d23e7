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

from slipway.cli import CommandLine, in_a_child_task
from slipway.commands.command import Flags
from slipway.errors import RefusedError
from slipway.records.progress import Event, Phase


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


@pytest.mark.parametrize(
    ("phase", "words"), [(Phase.MIGRATE, "no release has started"), (None, "the platform continues")]
)
async def test_the_message_of_an_interrupted_run_names_what_continues_without_it(phase, words, capsys):
    """During a migration the platform has begun nothing, and the database may still execute a statement."""
    with anyio.CancelScope() as scope, CommandLine(Flags(quiet=True)).run() as tell:
        if phase:
            tell(Event(phase=phase))
        scope.cancel()
        await anyio.sleep_forever()
    assert words in capsys.readouterr().err
