"""A proof as one self-contained page: the verdict, the findings by rule, and the locks of each new revision."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from slipway.records.proof import Finding, Level, Proof, Revision
from slipway.report.format import rendered
from slipway.report.proof.lock_lanes import LockLanes, Waits, Work, lock_lanes
from slipway.report.proof.revision_graph import Cell, graph
from slipway.report.proof.text import place, tally


@dataclass(frozen=True)
class FindingGroup:
    """Findings with the same rule, level and message."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        return self.findings[0]

    @property
    def remedy(self) -> str:
        """The common remedy of all findings; empty when they differ."""
        remedies = {finding.remedy for finding in self.findings}
        return remedies.pop() if len(remedies) == 1 else ""


@dataclass(frozen=True)
class SuppressedFindings:
    """Findings that are suppressed for the same reason."""

    reason: str
    groups: tuple[FindingGroup, ...]

    @property
    def count(self) -> int:
        return sum(len(group.findings) for group in self.groups)


def grouped(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """Group findings, in the order in which the groups first appear. The worst findings come first."""
    groups: dict[tuple[str, Level, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.rule, finding.level, finding.message), []).append(finding)
    return tuple(FindingGroup(tuple(group)) for group in groups.values())


def suppressed(findings: Iterable[Finding]) -> tuple[SuppressedFindings, ...]:
    """Group the suppressed findings by their reason."""
    by_reason: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.suppressed is not None:
            by_reason.setdefault(finding.suppressed, []).append(finding)
    return tuple(SuppressedFindings(reason, grouped(group)) for reason, group in by_reason.items())


_UNFOLDED: Final = 20  # the number of timelines that are shown at once
_ROW, _LANE = 28, 18  # sizes in the graph, in SVG units


@dataclass(frozen=True)
class Chapter:
    """One revision on the page.

    - anchor: the anchor of its timeline; empty without a timeline. It is a number, because a revision's id may be any
      text.
    - findings: the findings that are not suppressed.
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
    def upgraded(self) -> bool:
        return "up" in self.revision.fingerprints

    @property
    def file(self) -> str:
        """The name of the revision's file, without the folder."""
        return self.revision.file.rpartition("/")[2]

    @property
    def locks(self) -> LockLanes:
        return lock_lanes(self.revision)


def page(proof: Proof) -> str:
    counting = [finding for finding in proof.findings if finding.suppressed is None]
    chapters = tuple(_chapters(proof.revisions, counting))
    timelines = [chapter for chapter in chapters if chapter.anchor]
    shown = _shown(timelines)
    return rendered(
        "proof.html",
        proof=proof,
        tally=tally(counting),
        groups=grouped(counting),
        suppressed=suppressed(proof.findings),
        graph=graph(proof.revisions, {revision for finding in counting for revision in finding.revisions}),
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
    by_revision: dict[str, list[Finding]] = {}
    for finding in findings:
        for each in finding.revisions:
            by_revision.setdefault(each, []).append(finding)
    for number, revision in enumerate(revisions, start=1):
        anchor = f"revision-{number}" if revision.new and revision.statements else ""
        yield Chapter(revision, anchor, tuple(by_revision.get(revision.id, ())))


def _shown(timelines: Sequence[Chapter]) -> list[Chapter]:
    """Return all timelines; when they are many, the first ones with findings."""
    if len(timelines) <= _UNFOLDED:
        return list(timelines)
    return [chapter for chapter in timelines if chapter.findings][:_UNFOLDED]


def _path(points: Sequence[Cell]) -> str:
    """Return the attribute `d` of an SVG path through these rows and lanes."""
    places = [(_LANE * lane + _LANE // 2, _ROW * row + _ROW // 2) for row, lane in points]
    return " ".join([f"M{places[0][0]} {places[0][1]}", *map(_bend, places, places[1:])])


def _bend(start: Cell, end: Cell) -> str:
    (x, y), (to_x, to_y) = start, end
    middle = (y + to_y) // 2
    return f"V{to_y}" if x == to_x else f"C{x} {middle} {to_x} {middle} {to_x} {to_y}"
