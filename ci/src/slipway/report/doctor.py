"""A doctor's report for a terminal: one line per check, then the counts."""

from collections import Counter

from slipway.records.doctor import DoctorCheck, DoctorReport, DoctorResult
from slipway.untrusted import one_line


def text(report: DoctorReport) -> str:
    """Render the whole report; the last line counts."""
    counts = Counter(check.result for check in report.checks)
    summary = ", ".join(f"{counts[result]} {result.value}" for result in DoctorResult)
    return "\n".join([*map(_line, report.checks), summary]) + "\n"


def _line(check: DoctorCheck) -> str:
    sentence = "; ".join(one_line(part, 600) for part in (check.found, check.remedy) if part)
    return f"{check.result.value:5} {one_line(check.subject):12} {sentence}"
