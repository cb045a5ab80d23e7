"""Questions to a person: consent, and the value of a secret, which as an argument would be visible to other processes."""

import getpass
import signal
import sys

from slipway.errors import BadInputError

_MOST_BYTES = 1 << 20


def secret_value(name: str) -> str:
    """Read a value from the terminal without showing it, or from standard input without its last line end."""
    if not sys.stdin.isatty():
        try:
            text = sys.stdin.buffer.read(_MOST_BYTES).decode()
        except UnicodeDecodeError:
            raise BadInputError(f"the value of {name} is not UTF-8", "pass it as text") from None
        return text.removesuffix("\n").removesuffix("\r")
    # anyio's own handler would wait for the end of the line
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return getpass.getpass(f"value of {name}: ")
    except EOFError:
        raise BadInputError(f"no value was typed for {name}", "type it, or pipe it in") from None
    finally:
        signal.signal(signal.SIGINT, before)


def check_agreed(what: str, account: str, *, yes: bool) -> None:
    """Show what will happen. Raise BadInputError unless `yes` is true or a person types the account's number."""
    print(what, end="", file=sys.stderr, flush=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInputError("consent is missing, and nothing was touched", "pass --yes")
    print("Type the account's number to agree: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != account:
        raise BadInputError("that is another number, and nothing was touched", f"type {account}, or pass --yes")
