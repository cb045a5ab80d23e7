"""The security groups behind a connection to a private address: those of the task whose process made it.

On one machine all processes share an address, so a connection is followed to its process by the tables of Linux. Elsewhere, and for
containers, every connection counts as one of a stranger.
"""

import os
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from slipway.workload.process import ProcessWorkload
from slipway.workload.workload import Workload

_PROC = Path("/proc")
_LOCALHOST = "0100007F"
_ENDS, _INODE, _SESSION = slice(1, 3), 9, 3  # places of fields in /proc/net/tcp, and in /proc/PID/stat after the name


@dataclass
class Peers:
    """The groups of running tasks by the session of their processes."""

    _groups: dict[int, frozenset[str]] = field(default_factory=dict)
    _sessions: dict[str, int] = field(default_factory=dict)  # by the inode of a connection, which lives as long

    @contextmanager
    def joined(self, workload: Workload | None, groups: frozenset[str]) -> Iterator[None]:
        """Count a workload's connections as those of its groups while the block runs."""
        session = workload.session if isinstance(workload, ProcessWorkload) else None
        if session is not None:
            self._groups[session] = groups
        try:
            yield
        finally:
            self._groups.pop(session or -1, None)
            self._sessions = {inode: each for inode, each in self._sessions.items() if each != session}

    def groups_of(self, client: int, server: int) -> frozenset[str]:
        """Return the groups of the task behind a connection between two ports of 127.0.0.1; none for a stranger."""
        inode = _inode(client, server)
        if inode is None:
            return frozenset()
        if inode not in self._sessions and (session := _session(f"socket:[{inode}]", self._groups.keys())):
            self._sessions[inode] = session
        return self._groups.get(self._sessions.get(inode, -1), frozenset())


def _inode(client: int, server: int) -> str | None:
    """Return the inode of the client's end; another connection, to another server, may have the same port."""
    with suppress(OSError):
        ends = [f"{_LOCALHOST}:{port:04X}" for port in (client, server)]
        for line in (_PROC / "net/tcp").read_text().splitlines():
            fields = line.split()
            if fields[_ENDS] == ends:
                return fields[_INODE]
    return None


def _session(name: str, sessions: Container[int]) -> int | None:
    """Return the one of these sessions that has a process with an open file of this name."""
    for process in (each for each in os.listdir(_PROC) if each.isdecimal()):  # noqa: PTH208 -- names only
        with suppress(OSError, ValueError, IndexError):
            stat = (_PROC / process / "stat").read_text().rpartition(")")[2].split()
            session = int(stat[_SESSION])
            if session not in sessions:
                continue
            for link in (_PROC / process / "fd").iterdir():
                with suppress(OSError):
                    if os.readlink(link) == name:  # noqa: PTH115 -- no path
                        return session
    return None
