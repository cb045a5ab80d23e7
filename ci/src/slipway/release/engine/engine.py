"""What every run of the release engine needs: a place where services run, a ledger, time, and what must come first."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from slipway.records.certificate import Certificate
from slipway.records.migration import Migration, Readiness
from slipway.records.plan import Observed
from slipway.records.progress import Event
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.target import Target

Tell = Callable[[Event], object]


@dataclass(frozen=True)
class Time:
    """The platform's time: of a wall clock, or of a simulator."""

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]


async def no_op(*_: object) -> None:
    """Of what need not be done."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """`holder` says who it is, to whoever waits. What must come first raises SlipwayError, and then the service is not changed.

    - prepare: once, before a number is taken and anything is written.
    - permit: of what is observed, before the database is migrated, and once more right before the change.
    - migrate: brings the database to the release's head, for the deployment of this number; None where that is not slipway's.
    - ask: what the live release says of itself, for the ledger.
    - certificate, risk: what a proof says of the pair, and why somebody went without one; both are written down.
    """

    target: Target
    ledger: Ledger
    time: Time
    tell: Tell
    holder: str
    prepare: Callable[[], Awaitable[None]] = no_op
    permit: Callable[[Observed], Awaitable[None]] = no_op
    migrate: Callable[[int, Tell], Awaitable[Migration]] | None = None
    ask: Callable[[Observed], Awaitable[Readiness | None]] = no_op
    certificate: Certificate | None = None
    risk: str = ""
