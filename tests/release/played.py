"""Plays a generated story, and answers what was seen of it from outside of our code.

Of a run that is its exit code, the word SUPERSEDED, and what was there whenever it asked for anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import anyio
from botocore import xform_name
from botocore.exceptions import ClientError, EndpointConnectionError, UnauthorizedSSOTokenError

from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.environment.environment import abort, destroy, resume
from slipway.environment.redeploy import CompatibilityEvidence, promote, rollback
from slipway.errors import within
from slipway.records.outcome import Outcome, Status
from slipway.records.progress import Tell
from slipway.release.engine.goal import Paused
from slipway.release.engine.run import reach
from slipway.report.release import of_outcome
from tests.release.deployers import Kill, MortalAws, mortal
from tests.release.direct import opened
from tests.release.grounds import SERVICE, There
from tests.release.planted import NOTHING, Planted
from tests.release.scenarios import Loss, Outage, Scenario, Verb
from tests.release.stage import FRONT, Moved, Run, Stage
from tests.simulator.account import BRISK, Account

PACE = replace(BRISK, timeout=10, roll_back=3)


@dataclass(frozen=True)
class Ended:
    """How a run ended: `code` is None when it was killed. `there` is what was there then, and `seen` whenever it asked for anything.

    `is_written` is whether the ledger then had the end of its newest number, `has_number` whether the run took one. `answer` is what it printed,
    `operations` what it asked AWS.
    """

    run: Run
    code: int | None
    there: There
    seen: tuple[There, ...]
    is_superseded: bool
    is_written: bool
    told: tuple[str, ...]
    has_number: bool
    answer: str
    operations: tuple[str, ...]


@dataclass(frozen=True)
class Played:
    """A story's facts.

    - changes: the number of operations that slipway started; after_hands: how many of them after another client's.
    - moved_by_hand: after how many requests another client moved the database. requests: all of them;
      sent: those that bring a release, with their places, in the words of App Runner.
    - head: the database's. started: the digests that were started. oldest: the one that is no run's goal.
    - claimed: when each number was taken, in the platform's seconds; unfinished: those that have no end. is_overtaken: an older one has none.
    """

    story: Scenario
    before: There
    ends: tuple[Ended, ...]
    changes: int
    after_hands: int
    hands: int
    migrations: tuple[Moved, ...]
    moved_by_hand: tuple[int, ...]
    requests: tuple[str, ...]
    sent: tuple[tuple[int, str], ...]
    head: str
    started: tuple[str, ...]
    oldest: str
    claimed: Mapping[int, float]
    unfinished: frozenset[int]
    is_overtaken: bool
    is_locked: bool


async def play(story: Scenario, planted: Planted = NOTHING) -> Played:
    """From the state to the last run's end."""
    async with opened(pace=PACE) as account:
        stage = await Stage.set(account, story, planted)
        before, known, started = stage.ground.there(), stage.ground.operations(), len(account.backend.started)
        ends = await _acted(stage)
        ours = [found not in (*known, *stage.by_hand) for found in stage.ground.operations()]
        hands = [found in stage.by_hand for found in stage.ground.operations()]
        after = ours[hands.index(True) :] if any(hands) else []
        claimed, ended = _numbers(account, "intent"), _numbers(account, "release")
        return Played(
            story=story,
            before=before,
            ends=tuple(ends),
            changes=sum(ours),
            after_hands=sum(after),
            hands=stage.hands,
            migrations=tuple(stage.migrations),
            moved_by_hand=tuple(stage.moved_by_hand),
            requests=tuple(account.cloud.requests),
            sent=_sent(stage),
            head=stage.head,
            started=tuple(order.digest for order in account.backend.started[started:]),
            oldest=stage.oldest,
            claimed={number: when for number, when in claimed.items() if number > stage.numbers},
            unfinished=frozenset(number for number in claimed if number > stage.numbers and number not in ended),
            is_overtaken=any(number <= stage.numbers and number not in ended for number in claimed),
            is_locked="slipway.production.lock" in account.cloud.store.repositories["notes-ledger-production"].tags,
        )


async def _acted(stage: Stage) -> list[Ended]:
    """Run everyone, and once the faults are over repeat the runs that were killed or ended unknown."""
    story, clock, ends = stage.story, stage.account.cloud.clock, list[Ended]()

    async def act(run: Run, kill: Kill | None = None, after: float = 0.0) -> None:
        await clock.sleep(after)
        ends.append(await _run(stage, run, kill, story.outage if run is first else None))

    first = await stage.first()
    stage.trouble()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(act, first, story.kill)
        if story.second:
            tasks.start_soon(act, stage.second(story.second), None, story.second.after)
    stage.calm()
    await clock.sleep(story.rest)
    for end in [end for end in ends if end.code in (None, 3)]:
        await act(stage.again(end.run))
    return ends


async def _run(stage: Stage, run: Run, kill: Kill | None, outage: Outage | None) -> Ended:
    """As a process would."""
    aws, told, answer = _Watching(stage, kill, outage), list[str](), ""
    environment = replace(stage.environment("production", run), connection=aws)
    code: int | None = None
    is_superseded = False
    with mortal() as fate, aws.mortal.scope:
        try:
            outcome = await _done(stage, environment, run, lambda event: told.append(event.line))
            code, is_superseded = outcome.status.exit_code, outcome.status is Status.SUPERSEDED
            answer = of_outcome(outcome)
        except Exception as error:
            if (said := within(error)) is None:
                raise
            code = said.exit_code
            told.append(str(said))
    return Ended(
        run,
        None if fate.killed or aws.mortal.scope.cancelled_caught else code,
        replace(stage.ground.there(), live=await stage.ground.answering(FRONT)),
        tuple(aws.seen),
        is_superseded,
        max(_numbers(stage.account, "intent"), default=0) in _numbers(stage.account, "release"),
        tuple(line for line in told if line),
        aws.has_number,
        answer,
        tuple(aws.mortal.operations),
    )


async def _done(stage: Stage, environment: Environment, run: Run, tell: Tell) -> Outcome:
    evidence = CompatibilityEvidence(reason="a story" if run.proven else "")
    match run.verb:
        case Verb.DEPLOY:
            going = environment.deploy(run.digest, tell)
        case Verb.APPROVED:
            assert run.approved is not None
            going = environment.apply(run.approved, tell)
        case Verb.PROMOTE:
            going = promote(stage.environment("staging"), environment, tell, evidence)
        case Verb.ROLLBACK | Verb.ROLLBACK_TO:
            going = rollback(environment, tell, 2 if run.verb is Verb.ROLLBACK_TO else None, evidence)
        case Verb.PAUSE:
            goal = stage.planted.goal(Paused(environment.name, environment.service))
            going = reach(environment.engine(tell), goal)
        case Verb.RESUME:
            going = resume(environment, tell)
        case Verb.DESTROY:
            going = destroy(environment, tell, SERVICE)
        case Verb.ABORT:
            going = abort(environment, tell)
    return await going


class _Watching(MortalAws):
    """Remembers what was there whenever it asked, and whether it took a number; an outage may cut it off."""

    def __init__(self, stage: Stage, kill: Kill | None, outage: Outage | None) -> None:
        if kill and kill.of:
            kill = replace(kill, of=_in_boto3(stage, kill.of))
        super().__init__(stage.account, kill)
        self._planted = stage.planted
        self._ground = stage.ground
        self._outage = outage
        self._sent = 0
        self._until: datetime | None = None  # without network
        self.seen: list[There] = []
        self.has_number = False

    async def once(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        self.seen.append(self._ground.there())
        try:
            answer = await super().once(service, operation, **parameters)
        finally:
            self.seen.append(self._ground.there())
        self.has_number |= operation == "put_image" and parameters["imageTag"].endswith(".intent")
        return answer

    async def send(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.patience.answered &= self._planted.is_patient
        if self._outage and self._sent >= self._outage.index:
            self._fail(self._outage, operation)
        self._sent += 1
        return await super().send(service, operation, parameters)

    def _fail(self, outage: Outage, operation: str) -> None:
        """Raise boto3's error of a request that does not reach AWS, or is not accepted there."""
        match outage.loss:
            case Loss.CREDENTIALS:
                raise ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "expired"}}, operation)
            case Loss.PROFILE:
                raise UnauthorizedSSOTokenError
        now = self._account.cloud.clock.now()
        self._until = self._until or now + timedelta(seconds=outage.seconds)
        if now < self._until:
            raise EndpointConnectionError(endpoint_url="https://aws")


def _in_boto3(stage: Stage, operation: str) -> str:
    """Translate App Runner's operation in the spelling of boto3."""
    named = "".join(part.capitalize() for part in operation.split("_"))
    return str(xform_name(stage.ground.operation(named)))


def _sent(stage: Stage) -> tuple[tuple[int, str], ...]:
    words = {stage.ground.operation(name): name for name in ("CreateService", "UpdateService")}
    requests = enumerate(stage.account.cloud.requests)
    return tuple((place, words[name]) for place, name in requests if name in words)


def _numbers(account: Account, kind: str) -> dict[int, float]:
    """The numbers of which production's ledger has a record of this kind, and when that came."""
    repository = account.cloud.store.repositories["notes-ledger-production"]
    parts = {tag: tag.split(".") for tag in repository.tags if tag.startswith("slipway.production.")}
    return {
        int(name[2]): repository.manifests[repository.tags[tag]].pushed.timestamp()
        for tag, name in parts.items()
        if name[-1] == kind
    }
