"""Defects planted in a run through the engine's ports: another goal, ledger, lock, target or step than the real one."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from slipway.errors import SlipwayError
from slipway.records.migration import Migration
from slipway.records.outcome import Status
from slipway.records.plan import Action
from slipway.release.engine.engine import Engine, no_answer, no_op
from slipway.release.engine.goal import Goal, Live, Paused
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.lock import DeployLock
from slipway.release.engine.target import OperationStatus


def _same(part: Any) -> Any:
    return part


@dataclass(frozen=True, kw_only=True)
class Planted:
    """The replacements of a run's parts. `history` is the ledger as a verb reads it, `ledger` as the engine does.

    `is_patient` is whether a client that was answered once repeats its requests for minutes.
    """

    goal: Callable[[Any], Goal] = _same
    engine: Callable[[Engine], Engine] = _same
    ledger: type[Ledger] = Ledger
    history: type[Ledger] = Ledger
    is_approved: bool = True
    is_patient: bool = True


NOTHING = Planted()


class SettledByState(Live):
    """Takes a service that runs for a success."""

    def truth(self, ending, operation, observed):
        return Status.SUCCEEDED if observed.digest else Status.CREATE_FAILED


class SettledByOperation(Live):
    """Does not look at the live digest."""

    def truth(self, ending, operation, observed):
        ended_well = ending in (OperationStatus.SUCCEEDED, OperationStatus.ROLLED_BACK)
        return Status.SUCCEEDED if ended_well else Status.CREATE_FAILED


class ForgetfulWhenTrue(Live):
    """Does not recognize its own unfinished deployment once nothing is left to change."""

    is_noop = False

    def plan(self, observed):
        made = super().plan(observed)
        object.__setattr__(self, "is_noop", made.action is Action.NOOP)
        return made

    @property
    def hash(self):
        return "another" if self.is_noop else super().hash


class PauseSettledByOperation(Paused):
    def truth(self, ending, operation, observed):
        return Status.SUCCEEDED if ending is OperationStatus.SUCCEEDED else Status.FAILED


class PauseTakenForGranted(Paused):
    def truth(self, ending, operation, observed):
        return Status.SUCCEEDED


class NoLock(Ledger):
    async def acquire_lock(self, lock):
        return True


class NoIntents(Ledger):
    async def intent(self, number):
        return None


class NoUnended(Ledger):
    """Leaves deployments open whose runs did not end them."""

    async def begun(self, numbers):
        return ()


class BlindLock(DeployLock):
    """Never sees an operation that has started."""

    async def started(self):
        return None


class UncheckedLock(DeployLock):
    async def check(self):
        return None


class MigratesAfterwards:
    """A target that has the database migrated once its change is accepted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def apply(self, plan, observed, spec):
        operation = await self._engine.target.apply(plan, observed, spec)
        await self._engine.migrate(9, self._engine.tell)
        return operation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine.target, name)


def live_as(kind: type[Live]) -> Callable[[Live], Live]:
    return lambda goal: kind(spec=goal.spec, verb=goal.verb)


def paused_as(kind: type[Paused]) -> Callable[[Paused], Paused]:
    return lambda goal: kind(goal.environment, goal.service)


def migrating_afterwards(engine: Engine) -> Engine:
    return replace(engine, migrate=None, target=MigratesAfterwards(engine)) if engine.migrate else engine


def permitting_once(engine: Engine) -> Engine:
    """Ask for permission before the lock only."""
    permitted = []

    async def permit(observed):
        if not permitted:
            permitted.append(await engine.permit(observed))
        return permitted[0]

    return replace(engine, permit=permit)


def migrating_regardless(engine: Engine) -> Engine:
    """Continue after a failed migration."""

    async def migrate(number, tell):
        with suppress(SlipwayError):
            return await engine.migrate(number, tell)
        return Migration(before=(), after=(), applied=(), attempts=1, seconds=0, unseen="it failed")

    return replace(engine, migrate=migrate if engine.migrate else None)


def unasked(engine: Engine) -> Engine:
    return replace(engine, answer=no_answer)


def unprepared(engine: Engine) -> Engine:
    return replace(engine, prepare=no_op)


def unmigrated(engine: Engine) -> Engine:
    return replace(engine, migrate=None)


def locked_by(kind: type[DeployLock]) -> Callable[[Engine], Engine]:
    return lambda engine: replace(engine, lock=kind)
