"""A checkup for a terminal: a line for each look, and how many ended how."""

from collections import Counter

from slipway.records.doctor import Answer, DoctorCheck, DoctorReport
from slipway.untrusted import one_line


def text(checkup: DoctorReport) -> str:
    """The whole report; the last line counts."""
    counts = Counter(examination.answer for examination in checkup.examinations)
    summary = ", ".join(f"{counts[answer]} {answer.value}" for answer in Answer)
    return "\n".join([*map(_line, checkup.examinations), summary]) + "\n"


def _line(examination: DoctorCheck) -> str:
    said = "; ".join(one_line(part, 600) for part in (examination.found, examination.remedy) if part)
    return f"{examination.answer.value:5} {one_line(examination.subject):12} {said}"
