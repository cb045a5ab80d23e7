"""A proof as one self-contained page, for whoever decides on a merge: the verdict, what is wrong, and what each new revision locks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from slipway.records.proof import Finding, Proof, Revision
from slipway.report.finding_kinds import kinds, silences
from slipway.report.lock_lanes import LockLanes, Waits, Work, lock_lanes
from slipway.report.page import rendered
from slipway.report.proof_text import place, tally
from slipway.report.revision_graph import Cell, graph

_UNFOLDED: Final = 20  # timelines that are shown at once
_ROW, _LANE = 28, 18  # of the graph, in units of its drawing


@dataclass(frozen=True)
class Chapter:
    """What the page says of one revision.

    - anchor: where its timeline stands, or "" when it has none; not made of its id, which may be any text.
    - findings: those that count. reached: whether its upgrade ran to the end.
    """

    revision: Revision
    anchor: str
    findings: tuple[Finding, ...]

    @property
    def tally(self) -> str:
        return tally(self.findings) if self.findings else ""

    @property
    def fails(self) -> bool:
        return any(finding.fails for finding in self.findings)

    @property
    def reached(self) -> bool:
        return "up" in self.revision.fingerprints

    @property
    def file(self) -> str:
        """The name of its file, without the folder."""
        return self.revision.file.rpartition("/")[2]

    @property
    def locks(self) -> LockLanes:
        return lock_lanes(self.revision)


def html(proof: Proof) -> str:
    """The page."""
    counting = [finding for finding in proof.findings if finding.suppressed is None]
    chapters = tuple(_chapters(proof.revisions, counting))
    timelines = [chapter for chapter in chapters if chapter.anchor]
    shown = _shown(timelines)
    return rendered(
        "proof.html",
        proof=proof,
        tally=tally(counting),
        kinds=kinds(counting),
        silences=silences(proof.findings),
        graph=graph(proof.revisions, {finding.revision for finding in counting if finding.revision}),
        row=_ROW,
        lane=_LANE,
        path=_path,
        place=place,
        chapters={chapter.revision.id: chapter for chapter in chapters},
        shown=shown,
        folded=[chapter for chapter in timelines if chapter not in shown],
        Waits=Waits,
        Work=Work,
    )


def _chapters(revisions: Sequence[Revision], findings: Sequence[Finding]) -> Iterator[Chapter]:
    by_revision: dict[str | None, list[Finding]] = {}
    for finding in findings:
        by_revision.setdefault(finding.revision, []).append(finding)
    for number, revision in enumerate(revisions, start=1):
        anchor = f"revision-{number}" if revision.new and revision.statements else ""
        yield Chapter(revision, anchor, tuple(by_revision.get(revision.id, ())))


def _shown(timelines: Sequence[Chapter]) -> list[Chapter]:
    """All, or of many the first that have findings."""
    if len(timelines) <= _UNFOLDED:
        return list(timelines)
    return [chapter for chapter in timelines if chapter.findings][:_UNFOLDED]


def _path(points: Sequence[Cell]) -> str:
    """A line through rows and lanes, as the `d` of an SVG path."""
    places = [(_LANE * lane + _LANE // 2, _ROW * row + _ROW // 2) for row, lane in points]
    return " ".join([f"M{places[0][0]} {places[0][1]}", *map(_bend, places, places[1:])])


def _bend(start: Cell, end: Cell) -> str:
    (x, y), (to_x, to_y) = start, end
    middle = (y + to_y) // 2
    return f"V{to_y}" if x == to_x else f"C{x} {middle} {to_x} {middle} {to_x} {to_y}"
