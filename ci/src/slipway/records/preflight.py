"""Preflight: the exact digest, run under the platform's contract before the platform is touched."""

from dataclasses import dataclass
from typing import ClassVar

from slipway.records.outcome import Diagnosis


@dataclass(frozen=True)
class Preflight:
    """`diagnosis` says why it would not become healthy, None when it did; `not_covered` what could not be looked at here."""

    SCHEMA: ClassVar[str] = "slipway/preflight/1"

    digest: str
    seconds: float
    diagnosis: Diagnosis | None
    not_covered: tuple[str, ...]
