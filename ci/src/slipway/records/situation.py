"""Situation: what is live in an environment, how it came there, what goes on, and what the release says of itself."""

from dataclasses import dataclass
from typing import ClassVar

from slipway.records.plan import Observed
from slipway.records.readiness import Readiness
from slipway.records.release import Release


@dataclass(frozen=True)
class Situation:
    """What the platform, the ledger and the release say, each as far as it could be asked.

    - live: the deployment that brought the live digest; None when the ledger has none that did. newest: the last that has ended, of whatever verb.
    - unfinished: the numbers of those that have not ended. unseen: why the ledger could not be read; empty when it could.
    - readiness: what the live release says at its health path; None when it says nothing.
    """

    SCHEMA: ClassVar[str] = "slipway/situation/1"

    environment: str
    observed: Observed
    live: Release | None = None
    newest: Release | None = None
    unfinished: tuple[int, ...] = ()
    readiness: Readiness | None = None
    unseen: str = ""
