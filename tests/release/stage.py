"""The stage of a generated story: production in a simulated account, its initial state, and its faults."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self

from botocore.exceptions import ClientError

from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.errors import BadInputError, RefusedError
from slipway.records.ledger import Intent, Lock, Release
from slipway.records.migration import Migration
from slipway.records.outcome import Outcome, Status
from slipway.records.outcome import Verb as Recorded
from slipway.records.plan import Plan
from slipway.release.engine.engine import Engine, no_sample
from slipway.release.engine.ledger import Ledger, nonce
from slipway.release.engine.plan import plan
from slipway.release.engine.target import Operation
from slipway.simulator.faults import Fault
from tests.environment.environments import HeldEnvironment, Place
from tests.release.deployers import KilledError
from tests.release.desired import aws_of, time_of
from tests.release.grounds import Ground, ground_of
from tests.release.planted import NOTHING, Planted
from tests.release.scenarios import FORWARD, Hand, Image, Migrating, Misfortune, Scenario, Second, State, Verb
from tests.simulator.account import Account
from tests.simulator.scripted import Script

FRONT = "/front"
HEADS = {"before": "aaa", "migrated": "bbb", "wanted": "ccc", "by hand": "zzz"}
_SCRIPTS = {
    Image.HEALTHY: Script(),
    Image.UNHEALTHY: Script(healthy=False),
    Image.DEAD: Script(starts=False),
    Image.SILENT: Script(silent=FRONT),
    Image.MISSING: Script(),
}
_RESTING = (State.CREATE_FAILED, State.DELETED, State.PAUSED, State.DELETE_FAILED)  # its release does not answer
_LATE_SECONDS = 60.0
_LIVED = (Status.SUCCEEDED, Recorded.DEPLOY)


@dataclass(frozen=True)
class Moved:
    """A migration for a deployment, from `began` to `ended`, counted in requests; None while it has not ended. `at` is the platform's time."""

    number: int
    verb: Verb
    at: float
    began: int
    ended: int | None = None


@dataclass(frozen=True)
class Run:
    """One command; `again` is whether it repeats an earlier one."""

    name: str
    verb: Verb
    digest: str
    proven: bool = True
    migrating: Migrating | None = None
    approved: Plan | None = None
    again: bool = False


@dataclass
class Stage:
    """`head` is the database's. Of the releases, `live` is the one that the ledger has last, before `older` and `oldest`.

    Other clients: `hands` times they changed the service, by the operations `by_hand`; they moved the database after so many requests.
    """

    account: Account
    story: Scenario
    ground: Ground
    planted: Planted = NOTHING
    head: str = HEADS["before"]
    oldest: str = ""
    older: str = ""
    live: str = ""
    wanted: str = ""
    others: str = ""
    numbers: int = 0
    hands: int = 0
    by_hand: list[str] = field(default_factory=list)
    migrations: list[Moved] = field(default_factory=list)
    moved_by_hand: list[int] = field(default_factory=list)

    @classmethod
    async def set(cls, account: Account, story: Scenario, planted: Planted = NOTHING) -> Self:
        """As the story begins."""
        stage = cls(account, story, ground_of(story.target, account), planted)
        account.cloud.ecs.express.readings.same_deploys = story.same_deploys
        if story.state is State.MIGRATED:
            stage.head = HEADS["migrated"]
        stage.oldest, stage.older = await stage._image(HEADS["before"]), await stage._image(HEADS["before"])
        stage.live, stage.others = await stage._image(stage.head), await stage._image(stage.head)
        await stage._state(story.state)
        stage.wanted = stage.live if story.state is State.LIVE_ALREADY else await stage._wanted()
        if story.verb is Verb.PROMOTE or (story.second and story.second.verb is Verb.PROMOTE):
            await stage.ground.create(stage.environment("staging").spec(stage.wanted), "staging")
        await stage._spoil()
        return stage

    @property
    def _ledger(self) -> Ledger:
        return self.environment("production").ledger

    def trouble(self) -> None:
        """Start the story's faults."""
        cloud = self.account.cloud
        cloud.faults.add(*(self._fault(found) for found in self.story.misfortunes))
        cloud.logs.late = _LATE_SECONDS if self.story.late else 0.0
        if self.story.young:
            role = cloud.iam.roles[self.ground.role.rpartition("/")[2]]
            role.created = role.known = cloud.clock.now()
        if self.story.failing:
            self.ground.fails(self.story.failing)

    def calm(self) -> None:
        """End the story's faults, except those of the releases."""
        self.account.cloud.faults.clear()
        self.account.cloud.logs.late = 0.0
        self.ground.fails("")

    async def first(self) -> Run:
        story = self.story
        digest = {Verb.ROLLBACK: self._back(), Verb.ROLLBACK_TO: self.older}.get(story.verb, self.wanted)
        approved = None
        if story.verb is Verb.APPROVED:
            environment = self.environment("production")
            approved = plan(environment.spec(digest), await environment.target.observe())
        return Run("first", story.verb, digest, story.proven, story.migrating, approved)

    def second(self, second: Second) -> Run:
        wanted = {Verb.ROLLBACK_TO: self.older, Verb.PROMOTE: self.wanted}
        return Run("second", second.verb, self.wanted if second.same else wanted.get(second.verb, self.others))

    def again(self, run: Run) -> Run:
        """The same command; a migration that was killed is not killed again."""
        killed = run.migrating in (Migrating.KILLED_BEFORE, Migrating.KILLED_AFTER)
        same = replace(run, name=f"{run.name} again", migrating=Migrating.WELL if killed else run.migrating, again=True)
        return replace(same, verb=Verb.DEPLOY, approved=None) if run.approved and self.story.forgotten else same

    def _back(self) -> str:
        """Where a rollback goes that is not told how far: to the newest that is not live; nowhere after another rollback."""
        if self.story.state in (State.WENT_BACK, State.ABSENT):
            return ""
        return self.live if self.story.state in _RESTING else self.older

    def environment(self, name: str, run: Run | None = None) -> Environment:
        async def runner(_environment: Any, _digest: str, deployment: str) -> "_Runner":
            assert run is not None
            return _Runner(self, run, int(deployment.rpartition(".")[2]))

        return _Played(
            settings=self.ground.settings,
            name=name,
            endpoint_url=self.account.cloud.url,
            time=time_of(self.account),
            planted=self.planted if run else NOTHING,
            runner=runner if run and run.migrating else None,
            starts=False,
            clock=self.account.cloud.clock,
            connection=aws_of(self.account),
        )

    async def _image(self, head: str, script: Script | None = None) -> str:
        place = Place(self.account, "production", head)
        digest = await place.image(head)
        says = self._says(head)
        self.account.backend.scripts[digest] = replace(script or Script(), says=says)
        return digest

    def _says(self, head: str) -> Any:
        return lambda: f'{{"image_head": "{head}", "database_head": "{self.head}", "git_revision": "unknown"}}'

    async def _wanted(self) -> str:
        return await self._image(HEADS["wanted"] if self.story.migrating else self.head)

    async def _spoil(self) -> None:
        """A release that was well where it was seen first is not so here."""
        image, verb, scripts = self.story.image, self.story.verb, self.account.backend.scripts
        spoiled = {Verb.ROLLBACK: self._back(), Verb.ROLLBACK_TO: self.older, Verb.RESUME: self.live}
        digest = spoiled.get(verb, self.wanted)
        if digest and image is Image.SILENT:  # also of a release that is live
            scripts[digest].silent = FRONT
            return
        if not digest or (digest == self.live and self.story.state not in _RESTING):
            return
        scripts[digest] = replace(_SCRIPTS[image], says=scripts[digest].says)
        if image is Image.MISSING and verb in FORWARD:
            del self.account.cloud.store.repositories["notes"].manifests[digest]

    async def _state(self, state: State) -> None:
        if state is State.ABSENT:
            return
        past = [(self.oldest, *_LIVED), (self.older, *_LIVED), (self.live, *_LIVED)]
        if state is State.ROLLED_BACK:
            past.append((self.others, Status.ROLLED_BACK, Recorded.DEPLOY))
        if state is State.WENT_BACK:
            past.append((self.older, Status.SUCCEEDED, Recorded.ROLLBACK))
            self.live = self.older
        await self._remember(past)
        if state is State.CREATE_FAILED:
            await self._create(await self._image(self.head, Script(healthy=False)))
            return
        newest = await self._create({State.OVERTAKEN: self.older}.get(state, self.live))
        await self._leave_as(state, newest)

    async def _leave_as(self, state: State, newest: Operation) -> None:
        """Bring the service that runs into its state."""
        match state:
            case State.BUSY:
                self.by_hand.append(await self.ground.update(await self.account.image()))
            case State.DELETED | State.DELETE_FAILED:
                self.ground.fails("DELETE_SERVICE" if state is State.DELETE_FAILED else "")
                await self.ground.delete()
                self.ground.fails("")
            case State.PAUSED:
                await self.ground.pause()
            case State.MAINTAINED:
                self.ground.maintain()
            case State.LEFT:
                await self._leave(newest)
            case State.OVERTAKEN:
                await self._overtake(newest)

    async def _create(self, digest: str) -> Operation:
        return await self.ground.create(self.environment("production").spec(digest), "production")

    async def _remember(self, past: list[tuple[str, Status, Recorded]]) -> None:
        ledger, heads = self._ledger, (self.head,)
        for number, (digest, status, verb) in enumerate(past, 1):
            image = str(self.environment("production").spec(digest).image)
            if self.story.state is State.OVERTAKEN and digest == self.older:
                await self._claim(image, number)
                continue
            known = (HEADS["before"],) if digest in (self.oldest, self.older) else heads
            record = Release(
                environment="production",
                number=number,
                image=image,
                status=status,
                live=digest,
                operation=None,
                ended=1,
                seconds=60.0,
                cause="",
                verb=verb,
                holder="a story",
                heads=known,
                database=heads,
            )
            await self._claim(image, number)
            await ledger.end(record)
        self.numbers = len(past)

    async def _overtake(self, newest: Operation) -> None:
        """Deploy the live release over the one whose run has not ended its number."""
        await self._ledger.accept(2, newest)
        await self.ground.update(self.live)
        await self.ground.rest()

    async def _leave(self, newest: Operation) -> None:
        """Leave the records of a run that was killed while it held the lock."""
        image = str(self.environment("production").spec(self.others).image)
        self.numbers += 1
        await self._claim(image, self.numbers)
        await self._ledger.acquire_lock(
            Lock(environment="production", number=self.numbers, holder="the dead", newest=newest.id, nonce=nonce())
        )

    async def _claim(self, image: str, number: int) -> None:
        intent = Intent(
            environment="production",
            number=0,
            image=image,
            wanted="another",
            fingerprint="another",
            holder="the dead",
            nonce=nonce(),
        )
        await self._ledger.claim(intent, number - 1)

    def _fault(self, found: Misfortune) -> Fault:
        return Fault(
            operation=self.ground.operation(found.operation, found.skip),
            effect=found.effect,
            skip=found.skip,
            times=found.times,
            other=self._hand(found.hand),
        )

    def _hand(self, hand: Hand) -> Any:
        async def act() -> None:
            if hand is Hand.MIGRATION:
                self.head = HEADS["by hand"]
                self.moved_by_hand.append(len(self.account.cloud.requests))
            elif self.ground.can_be_meddled_with:
                self.hands += 1
                known = self.ground.operations()
                try:
                    with suppress(ClientError):  # what they meet is their own misfortune
                        await self.ground.meddle(hand)
                finally:  # also of an answer that is lost, or names no operation
                    self.by_hand += [each for each in self.ground.operations() if each not in known]

        return act


@dataclass(frozen=True)
class _Runner:
    """Brings the stage's database to the head of the wanted release, or fails."""

    stage: Stage
    run: Run
    number: int
    how: str = "a story"

    async def migrate(self, _tell: Any) -> Migration:
        stage, run = self.stage, self.run
        requests, now = stage.account.cloud.requests, stage.account.cloud.clock.now().timestamp()
        began = Moved(self.number, run.verb, now, len(requests))
        stage.migrations.append(began)
        await stage.account.cloud.clock.sleep(2)
        if run.migrating is Migrating.FAILS:
            raise RefusedError("the migration failed", "mend it")
        if run.migrating is Migrating.UNUSABLE:
            raise BadInputError("the database's URL is none", "correct it")
        if run.migrating is Migrating.KILLED_BEFORE:
            raise KilledError
        before, stage.head = stage.head, HEADS["wanted"]
        stage.migrations.append(replace(began, ended=len(requests)))
        if run.migrating is Migrating.KILLED_AFTER:
            raise KilledError
        return Migration(
            before=(before,),
            after=(stage.head,),
            applied=(stage.head,) if before != stage.head else (),
            attempts=1,
            seconds=2.0,
        )

    async def standing(self) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class _Played(HeldEnvironment):
    """An environment with planted parts."""

    planted: Planted = NOTHING

    @property
    def ledger(self) -> Ledger:
        return self.planted.history(self.store, self.name)

    def engine(self, *how: Any, **parts: Any) -> Engine:
        ledger = self.planted.ledger(self.store, self.name)
        engine = replace(super().engine(*how, **parts), ledger=ledger, sample=no_sample)  # hundreds of requests
        return self.planted.engine(engine)

    def releasing(self, goal: Any, engine: Engine) -> Engine:
        return self.planted.engine(super().releasing(goal, engine))

    async def release(self, goal: Any, engine: Engine, approved: Plan | None = None) -> Outcome:
        return await super().release(self.planted.goal(goal), engine, approved if self.planted.is_approved else None)
