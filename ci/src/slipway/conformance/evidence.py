"""What runs against AWS have shown of today's expectations; the documentation's marks stand or fall with it."""

from collections.abc import Iterable, Mapping

from slipway.conformance.expectations import every
from slipway.records.conformance import AWS, Conformance, ConformanceVerdict


def shown(reports: Iterable[Conformance]) -> Mapping[str, ConformanceVerdict]:
    """CONFIRMED or DIFFERS by subject: the newest report's. What was asked of a stand-in, or expected otherwise than today, shows nothing."""
    today = {expected.subject: expected.expected for expected in every()}
    found: dict[str, ConformanceVerdict] = {}
    for report in sorted(reports, key=lambda report: report.day):
        for finding in report.findings if report.against == AWS else ():
            told = finding.verdict in (ConformanceVerdict.CONFIRMED, ConformanceVerdict.DIFFERS)
            if told and today.get(finding.subject) == finding.expected:
                found[finding.subject] = finding.verdict
    return found
