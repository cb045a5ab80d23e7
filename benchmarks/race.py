"""A race: all programs that ran one history, and their times."""

from collections.abc import Mapping
from dataclasses import dataclass

from peers import Peer
from timing import Timing

NOT_RUN = "\N{EN DASH}"


@dataclass(frozen=True)
class Race:
    """The times of all programs on one history."""

    revisions: int
    timings: Mapping[Peer, Timing]

    def seconds(self, peer: Peer) -> str:
        return str(self.timings.get(peer, NOT_RUN))

    def ratio(self, ours: Peer, peer: Peer) -> str:
        """Return the median of our program as a share of the peer's."""
        if peer not in self.timings:
            return NOT_RUN
        return f"{self.timings[ours].median / self.timings[peer].median:.2f}"
