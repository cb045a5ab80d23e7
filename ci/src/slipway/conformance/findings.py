"""Findings of a run, and the evidence that reports of earlier runs give."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from slipway.conformance.account import masked
from slipway.conformance.expectations import every
from slipway.records.conformance import AWS, Conformance, ConformanceFinding, ConformanceVerdict


class Findings:
    """The findings by subject; everything expected, nothing seen at first. Account numbers and ARNs are masked."""

    def __init__(self) -> None:
        self._findings: dict[str, ConformanceFinding] = {finding.subject: finding for finding in every()}

    def saw(self, subject: str, seen: str) -> None:
        """Record what the account answered, in one line."""
        finding, seen = self._findings[subject], masked(seen)
        confirmed = seen == finding.expected
        self._findings[subject] = (
            replace(finding, verdict=ConformanceVerdict.CONFIRMED, seen="")
            if confirmed
            else replace(finding, verdict=ConformanceVerdict.DIFFERS, seen=seen)
        )

    def missed(self, subject: str, why: str) -> None:
        """Record why nothing was seen, unless something was."""
        if self._findings[subject].verdict is ConformanceVerdict.NOT_REACHED:
            self._findings[subject] = replace(self._findings[subject], seen=masked(why))

    def all(self) -> tuple[ConformanceFinding, ...]:
        return tuple(self._findings.values())


def evidence(reports: Iterable[Conformance]) -> Mapping[str, ConformanceVerdict]:
    """Return CONFIRMED or DIFFERS by subject, from the newest report against AWS with today's expectation."""
    today = {expected.subject: expected.expected for expected in every()}
    verdicts: dict[str, ConformanceVerdict] = {}
    for report in sorted(reports, key=lambda report: report.day):
        for finding in report.findings if report.against == AWS else ():
            conclusive = finding.verdict in (ConformanceVerdict.CONFIRMED, ConformanceVerdict.DIFFERS)
            if conclusive and today.get(finding.subject) == finding.expected:
                verdicts[finding.subject] = finding.verdict
    return verdicts
