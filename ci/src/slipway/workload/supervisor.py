"""`python supervisor.py PORT COMMAND…`: runs a command, and tells whoever connects to the port what it prints and how it ends.

An engine shows neither the output nor the end of a container that runs as a service. This program is lent to the container and needs nothing but
the standard library. A connection is told everything from the beginning: `L` and a line for each line, at the end `E` and the exit code.
When the command has ended it stays, for a service must not end; a signal passes through to the command and ends both.
"""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

PORT: Final = 48911  # assigned to nobody
_LONGEST_LINE = 8000  # bytes; what is longer is told in pieces


class Said:
    """What was printed so far."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._ended = False
        self._changed = threading.Condition()

    def add(self, line: bytes, *, last: bool = False) -> None:
        with self._changed:
            self._lines.append(line)
            self._ended = last
            self._changed.notify_all()

    def tell(self, connection: socket.socket) -> None:
        """Everything, as it comes, until the end; who hangs up is forgotten."""
        told = 0
        with connection, suppress(OSError):
            while True:
                with self._changed:
                    while not (news := self._lines[told:]) and not self._ended:
                        self._changed.wait()
                if not news:
                    return
                connection.sendall(b"".join(news))
                told += len(news)


def main(port: int, command: Sequence[str]) -> None:
    """Run until a signal comes."""
    listener, said = socket.create_server(("", port)), Said()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def stop(number: int, _frame: Any) -> None:
        with suppress(ProcessLookupError):
            child.send_signal(number)
        child.wait()
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    threading.Thread(target=_read, args=(child, said), daemon=True).start()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=said.tell, args=(connection,), daemon=True).start()


def _read(child: "subprocess.Popen[bytes]", said: Said) -> None:
    assert child.stdout is not None
    for line in iter(partial(child.stdout.readline, _LONGEST_LINE), b""):
        said.add(b"L" + line.rstrip(b"\r\n") + b"\n")
    said.add(b"E%d\n" % child.wait(), last=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
