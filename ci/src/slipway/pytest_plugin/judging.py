"""Proof -> the outcome of one test. A finding belongs to a check by the family of its rule; a check that did not run never passes."""

from dataclasses import dataclass
from typing import Final

from slipway.records.proof import UNCOMPARED, Finding, Proof
from slipway.report.proof.text import explained
from slipway.untrusted import one_line

GRAPH: Final = "graph"
DRIFT: Final = "drift"
UP_DOWN_UP: Final = "up-down-up"
LOCKS: Final = "locks"
ROWS: Final = "rows"

_FAMILIES: Final = {
    "A": GRAPH,
    "C": ROWS,
    "D": ROWS,
    "G": GRAPH,
    "L": LOCKS,
    "P": UP_DOWN_UP,
    "Q": LOCKS,
    "R": UP_DOWN_UP,
    "S": UP_DOWN_UP,
    "T": UP_DOWN_UP,
    "U": UP_DOWN_UP,
    "drift": DRIFT,
}
_UPGRADE_FAILS: Final = frozenset({"U01", "T01", "T06", "T08"})


@dataclass(frozen=True)
class Judgement:
    """The outcome of a test: failed with failures, skipped with a reason, otherwise passed. Remarks fail no test."""

    failures: tuple[Finding, ...]
    reason: str | None
    remarks: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n\n".join(map(explained, self.failures))


def check_of(rule: str) -> str:
    """Return the check of a rule; one of an unknown family concerns the history."""
    return next((check for start, check in _FAMILIES.items() if rule.startswith(start)), GRAPH)


def judge(proof: Proof, check: str, revision: str | None = None) -> Judgement:
    """Return the outcome of a check of one revision, or of the history."""
    findings = [
        finding
        for finding in proof.findings
        if check_of(finding.rule) == check and (revision is None or finding.revision == revision)
    ]
    failures = tuple(finding for finding in findings if finding.fails)
    if revision is None:
        reason = _why_not_compared(proof) if check == DRIFT else None
    else:
        reason = _why_not_reached(proof, revision)
    remarks = [
        f"{finding.level.value}: {explained(finding)}"
        for finding in findings
        if not finding.fails and finding.suppressed is None
    ]
    unmeasured = _unmeasured(proof, revision) if check == LOCKS else ()
    return Judgement(failures, None if failures else reason, (*remarks, *unmeasured))


def _why_not_compared(proof: Proof) -> str | None:
    if not proof.revisions:
        return f"{UNCOMPARED}: no revision was executed"
    return next((gap for gap in proof.coverage.gaps if gap.startswith(UNCOMPARED)), None)


def _why_not_reached(proof: Proof, revision: str) -> str | None:
    if any(each.id == revision and "up" in each.fingerprints for each in proof.revisions):
        return None
    failed = {finding.revision for finding in proof.findings if finding.rule in _UPGRADE_FAILS}
    first = next((each.id for each in proof.revisions if each.id in failed), None)
    return f"not reached: the upgrade of {first} fails" if first else "not reached: the history cannot be walked"


def _unmeasured(proof: Proof, revision: str | None) -> tuple[str, ...]:
    return tuple(
        f"not measured, because it refuses to run in a transaction: {one_line(statement.sql)}"
        for each in proof.revisions
        if each.id == revision
        for statement in each.statements
        if not statement.measured
    )
