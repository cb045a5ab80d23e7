"""The engine's ports: a target, a ledger, a lock, a clock, and the steps that must come before a change."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from slipway.records.certificate import Certificate
from slipway.records.migration import Migration, Readiness
from slipway.records.plan import Observed
from slipway.records.progress import Tell
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.lock import DeployLock
from slipway.release.engine.target import Target, Time


async def no_op(*_: object) -> None:
    """Do nothing: the default of a step that is not needed."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Everything that a run works with. A step that raises SlipwayError leaves the service unchanged.

    - holder: who runs, shown to everyone who waits.
    - prepare: runs once, before a number is claimed and anything is written.
    - permit: judges the observed state, before the migration and again right before the change.
    - migrate: brings the database to the release's head for a numbered deployment; None when slipway does not migrate it.
    - ask: reads the live release's own statement about itself, for the ledger.
    - certificate, risk: the proof of the pair of releases, and the reason for going without one; both are recorded.
    - lock: makes the deploy lock.
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
    lock: type[DeployLock] = DeployLock
