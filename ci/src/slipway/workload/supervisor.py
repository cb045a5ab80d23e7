"""`python supervisor.py PORT COMMAND…`: run a command, and serve its output and exit code on a port.

A Dagger engine shows neither the output nor the exit code of a container that runs as a service. This program is
mounted into the container and needs only the standard library. Every connection receives the whole output: `L` and the
text for each line, and at the end `E` and the exit code. The supervisor stays after the command has ended, because a
service must not end. A signal is forwarded to the command and ends both.
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

PORT: Final = 48911  # not assigned by IANA
_LONGEST_LINE = 8000  # bytes; longer lines are split


class Output:
    """The output of the command so far."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._ended = False
        self._changed = threading.Condition()

    def add(self, line: bytes, *, last: bool = False) -> None:
        with self._changed:
            self._lines.append(line)
            self._ended = last
            self._changed.notify_all()

    def send(self, connection: socket.socket) -> None:
        """Send the output as it arrives, until it ends or the client disconnects."""
        sent = 0
        with connection, suppress(OSError):
            while True:
                with self._changed:
                    while not (new := self._lines[sent:]) and not self._ended:
                        self._changed.wait()
                if not new:
                    return
                connection.sendall(b"".join(new))
                sent += len(new)


def main(port: int, command: Sequence[str]) -> None:
    """Run the command and serve its output, until a signal arrives."""
    listener, output = socket.create_server(("", port)), Output()
    try:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        message = f"exec {command[0]}: {error.strerror}".lower()  # in the words of container runtimes
        child = subprocess.Popen(
            [sys.executable, "-c", f"print({message!r}); raise SystemExit(127)"], stdout=subprocess.PIPE
        )

    def stop(number: int, _frame: Any) -> None:
        with suppress(ProcessLookupError):
            child.send_signal(number)
        child.wait()
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    threading.Thread(target=_read, args=(child, output), daemon=True).start()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=output.send, args=(connection,), daemon=True).start()


def _read(child: "subprocess.Popen[bytes]", output: Output) -> None:
    assert child.stdout is not None
    for line in iter(partial(child.stdout.readline, _LONGEST_LINE), b""):
        output.add(b"L" + line.rstrip(b"\r\n") + b"\n")
    output.add(b"E%d\n" % child.wait(), last=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
