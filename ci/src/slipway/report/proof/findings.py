"""Findings grouped by rule and message, and suppressed findings grouped by reason."""

from collections.abc import Iterable
from dataclasses import dataclass

from slipway.records.proof import Finding, Level


@dataclass(frozen=True)
class FindingGroup:
    """Findings of one rule, one level and one message."""

    findings: tuple[Finding, ...]

    @property
    def rule(self) -> str:
        return self.findings[0].rule

    @property
    def level(self) -> Level:
        return self.findings[0].level

    @property
    def message(self) -> str:
        return self.findings[0].message

    @property
    def remedy(self) -> str:
        """The remedy when all findings share it, otherwise empty."""
        remedies = {finding.remedy for finding in self.findings}
        return remedies.pop() if len(remedies) == 1 else ""


@dataclass(frozen=True)
class SuppressedFindings:
    """Findings suppressed for one reason."""

    reason: str
    groups: tuple[FindingGroup, ...]

    @property
    def count(self) -> int:
        return sum(len(group.findings) for group in self.groups)


def grouped(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """Group findings in the order of each group's first, which keeps the worst on top."""
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
