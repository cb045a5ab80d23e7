"""`slipway`: the verbs on a command line. Results go to standard output, progress and errors to standard error.

Exit codes: 0 yes (for a deploy: live and healthy), 1 the answer is no, 2 bad input, 3 unknown.
"""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

import anyio

import slipway
from slipway.cli import bootstrap, conformance, doctor, gate, migrate, preflight, rehearsal, release, service
from slipway.cli.answer import say_no
from slipway.cli.arguments import EXIT_CODES
from slipway.errors import BadInputError, UnknownOutcomeError, within
from slipway.untrusted import one_line, printable


def main() -> None:
    """The entry point of the command `slipway`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Parse, run one verb, and answer its exit code."""
    try:
        given = parser().parse_args(arguments)
    except BadInputError as error:
        return say_no(argparse.Namespace(json="--json" in arguments), error)
    _end_in_order()
    try:
        return anyio.run(in_a_child_task, given.verb, given)
    except KeyboardInterrupt:
        print("slipway: interrupted; what it had started on this machine is stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:  # noqa: BLE001 -- it is told there, or raised again
        return _say_why(given, error)


async def in_a_child_task(verb: Callable[[argparse.Namespace], Awaitable[int]], given: argparse.Namespace) -> int:
    """Run a verb in a child task, so that Ctrl-C respects anyio's shields.

    Asyncio cancels the main task on Ctrl-C past every shield: a folder was removed while a thread still wrote to it, and was left behind.
    A child is cancelled by its task group, which waits for threads and shielded blocks.
    """
    codes = []

    async def run_verb() -> None:
        codes.append(await verb(given))

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_verb)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return codes[0]


def _end_in_order() -> None:
    """Asyncio turns an interrupt into an orderly end, and SIGTERM becomes one here; what a script starts in the background ignores interrupts else."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))


def _say_why(given: argparse.Namespace, error: BaseException) -> int:
    """The sentence, after the traceback for whoever asked for it: exceptions of libraries quote what others wrote."""
    known = within(error)
    if known is None and not isinstance(error, Exception):
        raise error
    if given.debug:
        print(printable("".join(traceback.format_exception(error))), file=sys.stderr)
    return say_no(given, known or _unexpected(error))


def _unexpected(error: BaseException) -> UnknownOutcomeError:
    found = f"unexpected {type(error).__name__}: {one_line(str(error))}"
    return UnknownOutcomeError(found, "run it again with --debug and report what it prints")


class _Grammar(argparse.ArgumentParser):
    """A command line that cannot be read is bad input as any other: one sentence."""

    def error(self, message: str) -> NoReturn:
        raise BadInputError(message, f"`{self.prog} --help` says what is allowed")


def parser() -> argparse.ArgumentParser:
    """The command line's grammar; its help is its documentation."""
    top = _Grammar(
        "slipway",
        description=slipway.__doc__,
        epilog=f"`slipway VERB --help` explains a verb. {EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"slipway {slipway.__version__}")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    for group in (gate, rehearsal, preflight, release, service, migrate, bootstrap, doctor, conformance):
        group.add(verbs)
    return top
