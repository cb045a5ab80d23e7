"""Findings that say the same, together: the sentence once, then each place."""

from collections.abc import Iterable
from dataclasses import dataclass

from slipway.records.proof import Finding, Level


@dataclass(frozen=True)
class Kind:
    """The findings of one rule, one level and one sentence."""

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
        """The safe form, when it is the same everywhere."""
        remedies = {finding.remedy for finding in self.findings}
        return remedies.pop() if len(remedies) == 1 else ""


@dataclass(frozen=True)
class Silence:
    """The findings that do not count for one reason."""

    reason: str
    kinds: tuple[Kind, ...]

    @property
    def count(self) -> int:
        return sum(len(kind.findings) for kind in self.kinds)


def kinds(findings: Iterable[Finding]) -> tuple[Kind, ...]:
    """Each where its first finding stood, so that what was ranked stays ranked."""
    grouped: dict[tuple[str, Level, str], list[Finding]] = {}
    for finding in findings:
        grouped.setdefault((finding.rule, finding.level, finding.message), []).append(finding)
    return tuple(Kind(tuple(group)) for group in grouped.values())


def silences(findings: Iterable[Finding]) -> tuple[Silence, ...]:
    """What does not count, by the reason."""
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.suppressed is not None:
            grouped.setdefault(finding.suppressed, []).append(finding)
    return tuple(Silence(reason, kinds(group)) for reason, group in grouped.items())
