"""`slipway`: the verbs on a command line. Results go to standard output, progress and errors to standard error.

Exit codes: 0 yes (for a deploy: live and healthy), 1 the answer is no, 2 bad input, 3 unknown.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

import anyio

import slipway
from slipway.cli import conformance, doctor, gate, rehearsal, release
from slipway.errors import within
from slipway.untrusted import one_line


def main() -> None:
    """The entry point of the command `slipway`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Parse, run one verb, and answer its exit code."""
    given = parser().parse_args(arguments)
    _end_in_order()
    try:
        code: int = anyio.run(given.verb, given)
    except KeyboardInterrupt:
        print("slipway: interrupted; what it had started is stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:
        if given.debug:
            raise
        return _say_why(error)
    return code


def _end_in_order() -> None:
    """Asyncio turns an interrupt into an orderly end, and SIGTERM becomes one here; what a script starts in the background ignores interrupts else."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))


def _say_why(error: BaseException) -> int:
    known = within(error)
    if known is not None:
        print(f"slipway: {one_line(str(known), 1000)}", file=sys.stderr)
        return known.exit_code
    if not isinstance(error, Exception):
        raise error
    print(
        f"slipway: unexpected {type(error).__name__}: {one_line(str(error))}; run it again with --debug and report what it prints",
        file=sys.stderr,
    )
    return 3


def parser() -> argparse.ArgumentParser:
    """The command line's grammar; its help is its documentation."""
    top = argparse.ArgumentParser(
        "slipway", description=slipway.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"slipway {slipway.__version__}")
    verbs = top.add_subparsers(metavar="VERB", required=True)
    for group in (gate, rehearsal, release, doctor, conformance):
        group.add(verbs)
    return top
