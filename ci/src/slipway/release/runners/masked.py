"""A program that runs a command in the service's container and removes secret values from its output, because only the container knows them.

Its source is an argument of the container's python, so it imports nothing from slipway.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

HIDDEN = b"***"
_PASSWORD = re.compile(r"://([^:/@\s]*):([^@\s]+)@")
_SHORTEST = 4  # shorter values are parts of many words
_NOT_FOUND, _NOT_EXECUTABLE, _SIGNALLED = 127, 126, 128  # exit codes, as in a shell


def values(variables: Mapping[str, str], secrets: Sequence[str]) -> Iterator[str]:
    """Yield the values of secrets, line by line, and the passwords in URLs of all variables."""
    for name in secrets:
        yield from variables.get(name, "").splitlines()
    for user, password in _PASSWORD.findall("\n".join(variables.values())):
        if password != user:
            yield from (password, unquote(password))


def main(secrets: Sequence[str], command: Sequence[str]) -> int:
    """Run a command without a shell, and return its exit code."""
    found = {os.fsencode(value) for value in values(os.environ, secrets) if len(value) >= _SHORTEST}
    pattern = re.compile(b"|".join(map(re.escape, sorted(found, key=len, reverse=True))) or b"(?!)")
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, _frame: object) -> None:
        if process is None:
            early.append(number)
        else:
            process.send_signal(number)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, forward)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        why = "is not in the image" if is_missing else f"cannot be executed: {error.strerror}"
        print(f"slipway: the program {command[0]!r} {why}")  # noqa: T201 -- the output of the container
        return _NOT_FOUND if is_missing else _NOT_EXECUTABLE
    for number in early:
        process.send_signal(number)
    assert process.stdout is not None
    for line in process.stdout:
        sys.stdout.buffer.write(pattern.sub(HIDDEN, line))
        sys.stdout.buffer.flush()
    code = process.wait()
    return code if code >= 0 else _SIGNALLED - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(","), sys.argv[2:]))
