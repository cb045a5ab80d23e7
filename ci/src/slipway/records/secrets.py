"""Secrets of an environment, by variable and ARN; no record has a value."""

from dataclasses import dataclass

from slipway.records.checks import Check, PreflightResult
from slipway.records.form import Record


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
    """A new version of a secret. `setting` is the line that the settings lack, otherwise empty."""

    environment: str
    name: str
    arn: str
    version: str
    setting: str = ""
