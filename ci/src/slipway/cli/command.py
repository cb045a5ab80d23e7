"""`slipway`: read a command line, run the command, print its answer and return its exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence

import anyio

from slipway.cli.answer import say, say_no
from slipway.cli.caller import CommandLine
from slipway.commands.command import Flags
from slipway.commands.grammar import grammar, parse
from slipway.errors import BadInputError, UnknownOutcomeError, within
from slipway.untrusted import one_line, printable


def main() -> None:
    """Run the command `slipway`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; without arguments print the help."""
    if not arguments:
        grammar().print_help()
        return 0
    try:
        flags = parse(arguments)
    except BadInputError as error:
        return say_no(Flags(json="--json" in arguments), error)
    _handle_signals()
    try:
        return anyio.run(in_a_child_task, perform, flags)
    except KeyboardInterrupt:
        print("slipway: interrupted; everything it started on this machine is stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:  # noqa: BLE001 -- printed there, or raised again
        return fail(flags, error)


async def in_a_child_task(perform: Callable[[Flags], Awaitable[int]], flags: Flags) -> int:
    """Run a command in a child task, so that Ctrl-C respects anyio's shields.

    Asyncio cancels the main task on Ctrl-C past every shield: a folder was removed while a thread still wrote to it, and was left behind.
    A child is cancelled by its task group, which waits for threads and shielded blocks.
    """
    codes = []

    async def run_command() -> None:
        codes.append(await perform(flags))

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_command)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return codes[0]


async def perform(flags: Flags) -> int:
    """Run the command that `flags` name and print its answer; raises what the command raises."""
    answer = await flags.command.run(flags, CommandLine(flags))
    return say(flags, answer) if answer else 0


def _handle_signals() -> None:
    """Let SIGTERM and SIGINT end the command in order; a shell's background jobs would ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))


def fail(flags: Flags, error: BaseException) -> int:
    """Print the sentence of an error, with --debug after its traceback, and return its exit code."""
    expected = within(error)
    if expected is None and not isinstance(error, Exception):
        raise error
    if flags.debug:  # exceptions of libraries quote untrusted text
        print(printable("".join(traceback.format_exception(error))), file=sys.stderr)
    return say_no(flags, expected or _unexpected(error))


def _unexpected(error: BaseException) -> UnknownOutcomeError:
    what = f"unexpected {type(error).__name__}: {one_line(str(error))}"
    return UnknownOutcomeError(what, "run it again with --debug and report what it prints")
