"""Unfinished deployments, whose runs were killed, cancelled or cut off before recording an end.

The end is read from the platform's record.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from slipway.errors import SlipwayError
from slipway.records.ledger import History, Intent, Release
from slipway.records.outcome import Status
from slipway.release.engine.goal import settle, settle_state
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.recorded import RELEASES, digest_of
from slipway.release.engine.target import Operation, OperationStatus, Target

_MOST = 20  # unfinished deployments that are examined; each takes two requests


async def with_ends(history: History, ledger: Ledger, target: Target, now: datetime) -> History:
    """Return a history in which deployments that ended without their run have an end. Write nothing.

    When the platform's record cannot be read, they stay unfinished.
    """
    ends: tuple[Release, ...] = ()
    with suppress(SlipwayError):
        ends = await ends_of(history.unfinished, history.newest, ledger, target, now)
    ended = {release.number for release in ends}
    releases = sorted((*history.releases, *ends), key=lambda release: release.number, reverse=True)
    unfinished = tuple(number for number in history.unfinished if number not in ended)
    return replace(history, releases=tuple(releases), unfinished=unfinished)


async def ends_of(
    unfinished: Sequence[int], newest: int, ledger: Ledger, target: Target, now: datetime
) -> tuple[Release, ...]:
    """Return the ends of unfinished deployments, without those that may still be in progress.

    A run records its operation before it releases the lock, and starts none when a newer number exists. So a number
    without lock and operation, read in this order, has started nothing.
    """
    if not unfinished:
        return ()
    may_start = {newest, await ledger.locked_by()}
    ends = []
    for intent, operation in await ledger.begun(sorted(unfinished)[-_MOST:]):
        if operation:
            ends.append(await _end(intent, operation, ledger, target, now))
        elif intent.number not in may_start:
            cause = f"deployment {newest} came after this one"
            ends.append(_release(intent, Status.SUPERSEDED, now, cause))
    return tuple(release for release in ends if release.status is not Status.UNKNOWN)


async def _end(intent: Intent, operation: Operation, ledger: Ledger, target: Target, now: datetime) -> Release:
    ending = await target.ending(operation)
    is_release = intent.verb in RELEASES
    if ending is OperationStatus.SUCCEEDED:
        status = Status.SUCCEEDED
    elif is_release:
        status = settle(ending, creating=operation.creating, live=None, desired=intent.image)
    else:
        status = settle_state(ending, reached=False)
    migration = await ledger.migration(intent.number)
    after = migration.known_after if migration else None
    ended = await target.ended(operation) or now
    return replace(
        _release(intent, status, ended, "it ended on the platform after its run"),
        operation=operation.id,
        live=digest_of(intent) if is_release and status is Status.SUCCEEDED else None,
        heads=after,
        database=after,
    )


def _release(intent: Intent, status: Status, ended: datetime, cause: str) -> Release:
    return Release(
        environment=intent.environment,
        number=intent.number,
        image=intent.image,
        status=status,
        live=None,
        operation=None,
        ended=int(ended.timestamp()),
        seconds=0.0,
        cause=cause,
        verb=intent.verb,
        holder=intent.holder,
        wanted=intent.wanted,
        changes=intent.changes,
    )
