"""The situation of one environment, as `slipway status` shows it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace

from slipway.environment.late import file_of
from slipway.environment.moved import gone
from slipway.environment.named import ask_names
from slipway.environment.observed import ObservedEnvironment
from slipway.errors import SlipwayError
from slipway.records.answer import Answer
from slipway.records.ledger import History, Intent, OpenDeployment, Release, Situation
from slipway.records.outcome import Verb
from slipway.records.plan import Observed, State
from slipway.release.aws.ecr import revision_of
from slipway.release.engine.compatibility import way_out
from slipway.release.engine.late import LateStore
from slipway.release.engine.plan import health_check
from slipway.release.engine.recorded import digest_of, is_of_another_schema, last_asked, live_with, way_back
from slipway.release.engine.target import Operation
from slipway.release.errors import LostAnswerError, PlatformRefusedError, UnreachableError

UNREAD = (LostAnswerError, UnreachableError, PlatformRefusedError)  # errors when the platform cannot be read
_POLL_SECONDS = 5.0


async def with_unfinished(environment: ObservedEnvironment, history: History) -> History:
    """Return a history with facts about its unfinished deployments.

    Their commits are missing when the images cannot be read.
    """
    if not history.unfinished:
        return history
    begun = await environment.ledger.begun(history.unfinished)
    return replace(history, open=tuple([await _open(environment, intent, operation) for intent, operation in begun]))


async def _open(environment: ObservedEnvironment, intent: Intent, operation: Operation | None) -> OpenDeployment:
    commit = None
    if intent.image:
        with suppress(SlipwayError):
            commit = await revision_of(environment.aws, environment.settings.name, digest_of(intent))
    migrates = environment.own_settings.migration is not None and intent.verb in (Verb.DEPLOY, Verb.PROMOTE)
    return OpenDeployment(
        number=intent.number,
        verb=intent.verb,
        image=intent.image,
        holder=intent.holder,
        commit=commit,
        may_migrate=migrates and operation is None and await environment.ledger.migration(intent.number) is None,
    )


async def status(environment: ObservedEnvironment) -> Situation:
    """Read platform, ledger and live release independently.

    The situation contains the reason when one cannot be read.
    When the platform cannot be read, request the address in the ledger. Raise SlipwayError when no AWS service answers.
    """
    environment = environment.impatient()
    observed, failure = await _observed(environment)
    unobserved = failure.what if failure else ""
    history, unseen = await ledger_of(environment, is_settled=not unobserved)
    if failure and unseen and not environment.aws.patience.answered:
        raise failure
    live = live_with(history.releases, observed.main_digest)
    remembered = last_asked(history.releases) if unobserved else None
    recorded = await environment.recorded_of(live)
    if remembered:
        observed, answer = await asked_from_memory(environment, history.releases, remembered)
    else:
        answer = await environment.answer(observed, (recorded or environment).settings.smoke_paths, ())
    named = await ask_names(recorded or environment, observed)
    moved = None if unseen or unobserved else await gone(environment)
    return Situation(
        environment=environment.name,
        observed=observed,
        live=live,
        newest=next(iter(history.releases), None),
        unfinished=history.unfinished,
        open=history.open,
        readiness=answer.readiness,
        unseen=unseen,
        unobserved=unobserved,
        remembered=remembered.number if remembered else None,
        instances=await _instances(environment, observed),
        asked=answer.paths,
        differs=recorded.differs(observed) if recorded else (),
        unanswered=answer.problem or named.problem,
        way_out=way_out_by_ledger(environment.name, answer, () if unobserved else history.releases, observed.digest)
        or named.way_out,
        names=named.names,
        unnamed=named.unread,
        traffic=moved.what if moved else "",
        unrecorded=str(file_of(environment)) if await file_of(environment).exists() else "",
    )


async def _observed(environment: ObservedEnvironment) -> tuple[Observed, SlipwayError | None]:
    """Return the service, and why it could not be read; raises PlatformRefusedError for credentials that AWS does not know."""
    try:
        return await environment.status(), None
    except UNREAD as error:
        if isinstance(error, PlatformRefusedError) and error.is_unusable:
            raise
        return Observed(state=State.UNKNOWN), error


def way_out_by_ledger(environment: str, answer: Answer, releases: Sequence[Release], live: str | None) -> str:
    """Return what to do about a problem of the live release; empty without a problem.

    Without `releases`, a rollback is not suggested.
    """
    back = way_back(environment, releases, live)
    return way_out(environment, answer, back, migrated=is_of_another_schema(releases, live))


async def asked_from_memory(
    environment: ObservedEnvironment, releases: tuple[Release, ...], last: Release
) -> tuple[Observed, Answer]:
    """Request the recorded address of a deployment while the platform cannot be read.

    Its digest may not be live any more.
    """
    now = Observed(state=State.UNKNOWN, url=last.url)
    recorded = await environment.recorded_of(live_with(releases, last.live)) or environment
    service = replace(now, digest=last.live, fields={"health check": health_check(recorded.settings.health_path)})
    return now, await recorded.answer(service, recorded.settings.smoke_paths, ())


async def _instances(environment: ObservedEnvironment, observed: Observed) -> str:
    """Return how many instances run, in words.

    Return an empty text when this cannot be read, because the other facts still matter.
    """
    with suppress(SlipwayError):
        return await environment.platform.count(environment.aws, observed.arn) if observed.arn else ""
    return ""


async def watch(environment: ObservedEnvironment) -> AsyncIterator[Situation]:
    """Yield the situation again and again. Stop when an operation in progress has ended."""
    was_busy = False
    while True:
        situation = await status(environment)
        yield situation
        is_busy = situation.observed.state is State.BUSY or (was_busy and bool(situation.unobserved))
        if was_busy and not is_busy:
            return
        was_busy = is_busy
        await environment.time.sleep(_POLL_SECONDS)


async def ledger_of(environment: ObservedEnvironment, *, is_settled: bool) -> tuple[History, str]:
    """Return the ledger's history and, when it is incomplete, the reason.

    With `is_settled`, add ends that only the platform recorded.
    """
    try:
        history = await environment.history()
        history = await environment.settled(history) if is_settled else history
        history = await with_unfinished(environment, history)
        store = environment.ledger.store
        failure = store.failure if isinstance(store, LateStore) else None
    except SlipwayError as error:
        return History(environment=environment.name, releases=()), str(error)
    return history, str(failure) if failure else ""
