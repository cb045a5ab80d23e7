"""The security groups of a connection to a private address, which are those of the task whose process opened it.

All processes on one machine share an address, so the process of a connection is found in Linux's tables. On other
systems, every connection counts as a caller's.
"""

import os
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")
_CONNECTIONS = _PROC / "net/tcp"
_LOCALHOST = "0100007F"
# positions of fields in /proc/net/tcp, and in /proc/PID/stat after the name
_ENDS, _INODE, _SESSION = slice(1, 3), 9, 3


@dataclass
class Peers:
    """The security groups of running tasks, by the session of their processes."""

    _groups: dict[int, frozenset[str]] = field(default_factory=dict)
    # by the inode of a connection, which exists as long as the connection
    _sessions: dict[str, int] = field(default_factory=dict)

    @property
    def can_follow(self) -> bool:
        """Whether this machine shows which process has a connection."""
        return _CONNECTIONS.exists()

    @contextmanager
    def joined(self, session: int | None, groups: frozenset[str]) -> Iterator[None]:
        """Count the connections of a session's processes as those of `groups` during the block."""
        if session is not None:
            self._groups[session] = groups
        try:
            yield
        finally:
            self._groups.pop(-1 if session is None else session, None)
            self._sessions = {inode: each for inode, each in self._sessions.items() if each != session}

    def groups_of(self, client: int, server: int) -> frozenset[str]:
        """Return the groups of the task behind a connection between two ports of 127.0.0.1; none for another process."""
        inode = _inode(client, server)
        if inode is None:
            return frozenset()
        if inode not in self._sessions:
            session = _session(f"socket:[{inode}]", self._groups.keys())
            if session is None:
                return frozenset()
            self._sessions[inode] = session  # 0 in a container whose session began outside of the container
        return self._groups.get(self._sessions[inode], frozenset())


def _inode(client: int, server: int) -> str | None:
    """Return the inode of the client's end. A connection to another server may have the same client port."""
    with suppress(OSError):
        ends = [f"{_LOCALHOST}:{port:04X}" for port in (client, server)]
        for line in _CONNECTIONS.read_text().splitlines():
            fields = line.split()
            if fields[_ENDS] == ends:
                return fields[_INODE]
    return None


def _session(name: str, sessions: Container[int]) -> int | None:
    """Return the session, among these, with a process that has this file open; None when there is none."""
    for process in (_PROC / each for each in os.listdir(_PROC) if each.isdecimal()):  # noqa: PTH208 -- names only
        with suppress(OSError, ValueError, IndexError):
            session = int((process / "stat").read_text().rpartition(")")[2].split()[_SESSION])
            if session in sessions and name in map(_target, (process / "fd").iterdir()):
                return session
    return None


def _target(link: Path) -> str:
    """Return the target of a link; empty for a link that no longer exists."""
    with suppress(OSError):
        return os.readlink(link)  # noqa: PTH115 -- no path
    return ""
