"""Checks before anything is changed: of an image in an environment, of its secrets, and of a machine."""

from dataclasses import dataclass
from enum import Enum

from slipway.records.form import Record


class PreflightResult(Enum):
    """The result of one check. NOT COVERED means unknown: it neither counts as OK nor refuses a release."""

    OK = "OK"
    REFUSED = "REFUSED"
    NOT_COVERED = "NOT COVERED"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check.

    - found: the observed fact, or why it is unknown (untrusted text).
    - remedy: the next step after a refusal.
    - lines: lines of a log, as evidence (untrusted text).
    - version: the current version of a secret that exists.
    """

    subject: str
    verdict: PreflightResult
    found: str
    remedy: str = ""
    lines: tuple[str, ...] = ()
    version: str = ""


@dataclass(frozen=True)
class Branch:
    """The checks of one area, such as secrets or the network."""

    part: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Preflight(Record, schema="slipway/preflight/1"):
    """All checks of an image in an environment."""

    environment: str
    service: str
    image: str
    seconds: float
    branches: tuple[Branch, ...]

    @property
    def refusals(self) -> tuple[Check, ...]:
        return self._with(PreflightResult.REFUSED)

    @property
    def not_covered(self) -> tuple[Check, ...]:
        return self._with(PreflightResult.NOT_COVERED)

    def _with(self, result: PreflightResult) -> tuple[Check, ...]:
        return tuple(check for branch in self.branches for check in branch.checks if check.verdict is result)


class DoctorResult(Enum):
    """The result of one check. SKIP is no fault: the check was not requested, or is optional."""

    OK = "OK"
    NG = "NG"
    SKIP = "SKIP"


@dataclass(frozen=True, kw_only=True)
class DoctorCheck:
    """One check.

    - found: untrusted text.
    - remedy: the next step; empty when the result is OK.
    - needed_for: the only feature that needs this check; empty when the gate needs it, too.
    """

    subject: str
    result: DoctorResult
    found: str
    remedy: str = ""
    needed_for: str = ""


@dataclass(frozen=True)
class DoctorReport(Record, schema="slipway/doctorreport/1"):
    """All checks, in the order in which to fix their problems."""

    checks: tuple[DoctorCheck, ...]

    @property
    def healthy(self) -> bool:
        return all(check.result is not DoctorResult.NG for check in self.checks)

    @property
    def gate_works(self) -> bool:
        return all(check.result is not DoctorResult.NG for check in self.checks if not check.needed_for)


@dataclass(frozen=True, kw_only=True)
class SecretList(Record, schema="slipway/secret-list/1"):
    """The secrets that the settings name, each with a check of whether it exists."""

    environment: str
    checks: tuple[Check, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(check.subject for check in self.checks if check.verdict is PreflightResult.REFUSED)


@dataclass(frozen=True, kw_only=True)
class SecretVersion(Record, schema="slipway/secret-version/1"):
    """A new version of a secret. `setting` is the line to add to the settings; empty when they have it."""

    environment: str
    name: str
    arn: str
    version: str
    setting: str = ""
