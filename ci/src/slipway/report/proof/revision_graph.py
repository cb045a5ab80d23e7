"""The layout of a history's graph: a row for each revision, the newest at the top, and edges down to its parents.

Long runs of unremarkable old revisions become one node. An edge never passes through the node of an unrelated revision.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from slipway.records.proof import Revision

_SHORTEST_RUN: Final = 4  # a shorter run is easier to read unfolded

Cell = tuple[int, int]


@dataclass(frozen=True)
class GraphNode:
    """One revision, or a run of several, the oldest first. Rows are counted from the top, lanes from the left."""

    revisions: tuple[Revision, ...]
    row: int
    lane: int


@dataclass(frozen=True)
class Edge:
    """A line from a node down to one of its parents. Between the rows of both it is in `lane`."""

    child: GraphNode
    parent: GraphNode
    lane: int

    @property
    def points(self) -> tuple[Cell, ...]:
        """The ends and bends of the edge as (row, lane), from child to parent."""
        between = [self.child.row + 1, self.parent.row - 1] if self.parent.row - self.child.row > 1 else []
        bends = ((row, self.lane) for row in dict.fromkeys(between))
        return ((self.child.row, self.child.lane), *bends, (self.parent.row, self.parent.lane))


@dataclass(frozen=True)
class Graph:
    """The nodes from top to bottom, and the edges between them."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[Edge, ...]

    @property
    def lanes(self) -> int:
        used = (*(node.lane for node in self.nodes), *(edge.lane for edge in self.edges))
        return max(used, default=-1) + 1


def graph(revisions: Sequence[Revision], noteworthy: Collection[str] = ()) -> Graph:
    """Lay out revisions that are in a proof's order, parents before children.

    New revisions and those in `noteworthy` stay separate nodes. A parent that is not listed before its child gets no
    edge.
    """
    parents = _parents(revisions)
    runs = _runs(revisions, parents, noteworthy)[::-1]
    row_of = {index: row for row, run in enumerate(runs) for index in run}
    below = [tuple(row_of[parent] for parent in parents[run[0]]) for run in runs]
    lanes, edges = _lanes(below)
    nodes = tuple(GraphNode(tuple(revisions[index] for index in run), row, lanes[row]) for row, run in enumerate(runs))
    return Graph(nodes, tuple(Edge(nodes[child], nodes[parent], lane) for child, parent, lane in edges))


def _parents(revisions: Sequence[Revision]) -> list[tuple[int, ...]]:
    known: dict[str, int] = {}
    parents = []
    for index, revision in enumerate(revisions):
        parents.append(tuple(dict.fromkeys(known[name] for name in revision.down if name in known)))
        known[revision.id] = index
    return parents


def _runs(
    revisions: Sequence[Revision], parents: Sequence[tuple[int, ...]], noteworthy: Collection[str]
) -> list[tuple[int, ...]]:
    """Return the nodes in order. A folded run is at the place of its newest revision."""
    chains: dict[int, list[int]] = {}  # by the newest revision of each chain
    for index in _quiet(revisions, parents, noteworthy):
        chains[index] = [*chains.pop(parents[index][0], []), index]
    runs = {newest: chain for newest, chain in chains.items() if len(chain) >= _SHORTEST_RUN}
    folded = {index for chain in runs.values() for index in chain}
    return [tuple(runs.get(index, [index])) for index in range(len(revisions)) if index in runs or index not in folded]


def _quiet(
    revisions: Sequence[Revision], parents: Sequence[tuple[int, ...]], noteworthy: Collection[str]
) -> Iterator[int]:
    """Yield the unremarkable old revisions that have one old parent and one old child."""
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
    """Return the lane of each row, and the edges as (child's row, parent's row, lane).

    `below` has the rows of each row's parents.
    """
    lanes: list[int] = []
    edges: list[tuple[int, int, int]] = []
    leads_to: list[int | None] = []  # for each lane, the row where its edge ends
    for row, parents in enumerate(below):
        ending = [lane for lane, end in enumerate(leads_to) if end == row]
        lanes.append(ending[0] if ending else _lane_to(None, leads_to))
        for lane in ending:
            leads_to[lane] = None
        for number, parent in enumerate(parents):
            lane = lanes[row] if number == 0 else _lane_to(parent, leads_to)
            leads_to[lane] = parent
            edges.append((row, parent, lane))
    return lanes, edges


def _lane_to(parent: int | None, leads_to: list[int | None]) -> int:
    """Return a lane that already leads to this parent, otherwise the first free lane."""
    for wanted in (parent, None):
        if wanted in leads_to:
            return leads_to.index(wanted)
    leads_to.append(None)
    return len(leads_to) - 1
