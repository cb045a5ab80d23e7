"""DoctorReport: checks of what slipway needs on a machine."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class DoctorResult(Enum):
    """The result of one check. SKIP is no fault: the check was not requested, or is optional."""

    OK = "OK"
    NG = "NG"
    SKIP = "SKIP"


@dataclass(frozen=True)
class DoctorCheck:
    """One check. `found` is untrusted text; `remedy` is the next step unless the result is OK."""

    subject: str
    result: DoctorResult
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class DoctorReport:
    """All checks in the order in which to fix problems."""

    SCHEMA: ClassVar[str] = "slipway/doctorreport/1"

    checks: tuple[DoctorCheck, ...]

    @property
    def healthy(self) -> bool:
        return all(check.result is not DoctorResult.NG for check in self.checks)
