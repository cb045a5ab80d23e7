"""A history as a drawing: each revision in a row and a lane of its own, the newest on top, lines down to what it follows.

Long runs of old revisions of which there is nothing to say are one node. A lane that a line has taken is kept free of nodes until the
line ends, so that no line runs through a revision that it has nothing to do with.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from slipway.records.proof import Revision

_SHORTEST_RUN: Final = 4  # fewer are read sooner than unfolded

Cell = tuple[int, int]


@dataclass(frozen=True)
class Node:
    """One revision, or a run of several, oldest first; in a row, counted from the top, and a lane, from the left."""

    revisions: tuple[Revision, ...]
    row: int
    lane: int


@dataclass(frozen=True)
class Edge:
    """A line from a node down to one that it follows; between their rows it runs in `lane`."""

    child: Node
    parent: Node
    lane: int

    @property
    def points(self) -> tuple[Cell, ...]:
        """The rows and lanes where it bends, from the child to the parent."""
        between = [self.child.row + 1, self.parent.row - 1] if self.parent.row - self.child.row > 1 else []
        bends = ((row, self.lane) for row in dict.fromkeys(between))
        return ((self.child.row, self.child.lane), *bends, (self.parent.row, self.parent.lane))


@dataclass(frozen=True)
class Graph:
    """The nodes from top to bottom, and the lines between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def lanes(self) -> int:
        """How many there are side by side."""
        used = (*(node.lane for node in self.nodes), *(edge.lane for edge in self.edges))
        return max(used, default=-1) + 1


def graph(revisions: Sequence[Revision], noteworthy: Collection[str] = ()) -> Graph:
    """Lay out revisions that are listed as a proof lists them, each after those that it follows.

    Those of `noteworthy` ids, and new ones, are never folded into a run. What a revision follows and is not listed before it has no line.
    """
    parents = _parents(revisions)
    runs = _runs(revisions, parents, noteworthy)[::-1]
    row_of = {index: row for row, run in enumerate(runs) for index in run}
    below = [tuple(row_of[parent] for parent in parents[run[0]]) for run in runs]
    lanes, lines = _lanes(below)
    nodes = tuple(Node(tuple(revisions[index] for index in run), row, lanes[row]) for row, run in enumerate(runs))
    return Graph(nodes, tuple(Edge(nodes[child], nodes[parent], lane) for child, parent, lane in lines))


def _parents(revisions: Sequence[Revision]) -> list[tuple[int, ...]]:
    """For each revision where those stand that it follows."""
    known: dict[str, int] = {}
    parents = []
    for index, revision in enumerate(revisions):
        parents.append(tuple(dict.fromkeys(known[name] for name in revision.down if name in known)))
        known[revision.id] = index
    return parents


def _runs(
    revisions: Sequence[Revision], parents: Sequence[tuple[int, ...]], noteworthy: Collection[str]
) -> list[tuple[int, ...]]:
    """The revisions in order, those together that are folded into one; a run stands where its newest stood."""
    chains: dict[int, list[int]] = {}  # by the newest of each
    for index in _quiet(revisions, parents, noteworthy):
        chains[index] = [*chains.pop(parents[index][0], []), index]
    runs = {newest: chain for newest, chain in chains.items() if len(chain) >= _SHORTEST_RUN}
    folded = {index for chain in runs.values() for index in chain}
    return [tuple(runs.get(index, [index])) for index in range(len(revisions)) if index in runs or index not in folded]


def _quiet(
    revisions: Sequence[Revision], parents: Sequence[tuple[int, ...]], noteworthy: Collection[str]
) -> Iterator[int]:
    """The old revisions between one and one other old revision, of which there is nothing to say."""
    children: list[list[int]] = [[] for _ in revisions]
    for index, below in enumerate(parents):
        for parent in below:
            children[parent].append(index)
    for index, revision in enumerate(revisions):
        old = not (revision.new or any(revisions[child].new for child in children[index]))
        between = len(parents[index]) == len(revision.down) == len(children[index]) == 1
        if old and between and revision.id not in noteworthy:
            yield index


def _lanes(below: Sequence[tuple[int, ...]]) -> tuple[list[int], list[tuple[int, int, int]]]:
    """The lane of each row, and the lines as (row of the child, row of the parent, lane), when each row leads to those `below` it."""
    lanes: list[int] = []
    lines: list[tuple[int, int, int]] = []
    leads_to: list[int | None] = []  # by lane, the row where its line ends
    for row, parents in enumerate(below):
        ending = [lane for lane, end in enumerate(leads_to) if end == row]
        lanes.append(ending[0] if ending else _lane_to(None, leads_to))
        for lane in ending:
            leads_to[lane] = None
        for number, parent in enumerate(parents):
            lane = lanes[row] if number == 0 else _lane_to(parent, leads_to)
            leads_to[lane] = parent
            lines.append((row, parent, lane))
    return lanes, lines


def _lane_to(parent: int | None, leads_to: list[int | None]) -> int:
    """A lane that leads to this parent already, or the first that is free."""
    for wanted in (parent, None):
        if wanted in leads_to:
            return leads_to.index(wanted)
    leads_to.append(None)
    return len(leads_to) - 1
