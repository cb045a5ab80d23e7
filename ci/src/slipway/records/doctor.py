"""DoctorReport: what slipway needs on a machine, looked at one by one."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Answer(Enum):
    """How one look ended; SKIP is no fault: it was not asked for, or not everybody needs it."""

    OK = "OK"
    NG = "NG"
    SKIP = "SKIP"


@dataclass(frozen=True)
class DoctorCheck:
    """One look. `found` is what was seen (untrusted text), `remedy` what to do about it; nothing need be done when it is OK."""

    subject: str
    answer: Answer
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class DoctorReport:
    """All of them, in the order in which a person mends things."""

    SCHEMA: ClassVar[str] = "slipway/checkup/1"

    examinations: tuple[DoctorCheck, ...]

    @property
    def healthy(self) -> bool:
        return all(examination.answer is not Answer.NG for examination in self.examinations)
