"""Generated stories of an environment: what is there before, which verb is asked for, what goes wrong, who dies, who comes in between.

`tests.release.played` plays one, `tests.release.oracle` says what was not true in it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from botocore import xform_name

from slipway.settings import TargetKind
from slipway.simulator.faults import Effect
from tests.release.deployers import Kill


class State(Enum):
    """The service when the story begins."""

    ABSENT = "absent"
    RUNNING = "running"
    LIVE_ALREADY = "live already"
    CREATE_FAILED = "create failed"
    BUSY = "busy"
    DELETED = "deleted"
    PAUSED = "paused"
    MAINTAINED = "maintained"
    DELETE_FAILED = "delete failed"
    ROLLED_BACK = "rolled back"  # by the platform
    WENT_BACK = "went back"  # by slipway
    MIGRATED = "migrated"  # for the release that is live
    LEFT = "left by a killed run"  # of another goal, in its turn
    OVERTAKEN = "overtaken"  # the release before went live after its run was cancelled


class Verb(Enum):
    """The command that runs."""

    DEPLOY = "deploy"
    APPROVED = "deploy --plan"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ROLLBACK_TO = "rollback --to"
    PAUSE = "pause"
    RESUME = "resume"
    DESTROY = "destroy"
    ABORT = "abort"  # beside another


FORWARD = (Verb.DEPLOY, Verb.APPROVED, Verb.PROMOTE)
BACK = (Verb.ROLLBACK, Verb.ROLLBACK_TO)


class Image(Enum):
    """How the release that is wanted behaves, the one that is to be woken, or the one that is live already."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DEAD = "dead"
    SILENT = "silent"  # to its users, and healthy to the platform
    MISSING = "missing"  # from the repository


class Migrating(Enum):
    """The fate of the migration before the release."""

    WELL = "migrated"
    FAILS = "migration fails"
    UNUSABLE = "migration has unusable input"
    KILLED_BEFORE = "killed before the migration"
    KILLED_AFTER = "killed after the migration"


class Hand(Enum):
    """The act of another client in between."""

    IMAGE = "another image"
    MIGRATION = "another migration"
    MAINTENANCE = "maintenance"
    ROLLBACK = "a rollback by hand"


@dataclass(frozen=True)
class Misfortune:
    """A fault as a value. `hand` is the client that overtakes."""

    operation: str
    effect: Effect
    skip: int = 0
    times: int = 1
    hand: Hand = Hand.IMAGE

    @property
    def named(self) -> str:
        return f"overtaken by {self.hand.value}" if self.effect is Effect.OVERTAKEN else self.effect.value


class Loss(Enum):
    """The loss of a running command's machine."""

    NETWORK = "no network"  # connections are refused
    CREDENTIALS = "expired credentials"
    PROFILE = "credentials that cannot be refreshed"  # boto3 sends nothing any more


@dataclass(frozen=True)
class Outage:
    """A loss of the first run's machine at its request number `index`, from 0; the network returns after `seconds`."""

    loss: Loss
    index: int
    seconds: float = 0


@dataclass(frozen=True)
class Second:
    """Another run, so many seconds after the first has begun."""

    after: float
    verb: Verb = Verb.DEPLOY
    same: bool = False  # release as the first's

    @property
    def named(self) -> str:
        return f"beside {self.verb.value}{' of the same release' if self.same else ''}"


@dataclass(frozen=True)
class Scenario:
    """One story: a state, a command, and what goes wrong.

    - failing: the operation that the platform does not finish, in the simulator's words.
    - proven: whether a reason is given in place of a proof; otherwise an unproven release is refused.
    - rest: the seconds until runs that were killed, or ended unknown, are repeated.
    - forgotten: whether the approved plan is gone by then.
    - same_deploys: whether ECS Express Mode starts a deployment for an update that changes nothing; only an account could say.
    """

    state: State
    verb: Verb = Verb.DEPLOY
    target: TargetKind = TargetKind.APP_RUNNER
    image: Image = Image.HEALTHY
    misfortunes: tuple[Misfortune, ...] = ()
    outage: Outage | None = None
    kill: Kill | None = None
    second: Second | None = None
    migrating: Migrating | None = None
    failing: str = ""
    late: bool = False  # lines of logs
    young: bool = False  # the access role
    proven: bool = True
    rest: float = 0
    forgotten: bool = False
    same_deploys: bool = False

    def cells(self) -> Iterator[tuple[str, str, str]]:
        """Yield the cells of (state, fault, verb) that it covers."""
        faults = [found.named for found in self.misfortunes]
        faults += ["cancelled" if self.kill.cancelled else "killed"] if self.kill else []
        faults += [self.outage.loss.value] if self.outage else []
        faults += [self.migrating.value] if self.migrating else []
        faults += [f"{self.failing} does not end"] if self.failing else []
        faults += [name for name in ("late", "young") if getattr(self, name)]
        faults += [self.second.named] if self.second else []
        for fault in faults or ["none"]:
            yield f"{self.target.value} {self.state.value}", fault, self.verb.value


# The operations by which each verb changes the service; all verbs read the service and write the ledger.
_CHANGES = {
    Verb.PAUSE: ("PauseService",),
    Verb.RESUME: ("ResumeService",),
    Verb.DESTROY: ("DeleteService",),
}
_LOOKS = (
    "ListServices",
    "DescribeService",
    "ListOperations",
    "ListOperations",
    "FilterLogEvents",
    "DescribeLogStreams",
)
_LEDGER = ("ListImages", "BatchGetImage", "DescribeImages", "PutImage", "PutImage", "BatchDeleteImage")
_CHECKS = ("DescribeRepositories", "GetCallerIdentity", "GetRole", "GetDownloadUrlForLayer", "ListTagsForResource")
_FAILING = {Verb.PAUSE: "PAUSE_SERVICE", Verb.DESTROY: "DELETE_SERVICE"}
_RELEASING = ("CreateService", "UpdateService", "UpdateService")
ALONE = (
    *(effect.value for effect in Effect if effect is not Effect.OVERTAKEN),
    "killed",
    "cancelled",
    "late",
    "young",
    "none",
)


@dataclass(frozen=True, kw_only=True)
class Possible:
    """The parts of stories on one platform."""

    states: tuple[State, ...]
    verbs: tuple[Verb, ...]
    hands: tuple[Hand, ...]
    beside: tuple[Verb, ...]
    failing: dict[Verb, str]


_BOTH = tuple(verb for verb in Verb if verb is not Verb.ABORT)
_NO_PAUSE = tuple(verb for verb in _BOTH if verb not in (Verb.PAUSE, Verb.RESUME))
_UNFIT_BESIDE = (Verb.APPROVED, Verb.ROLLBACK)
POSSIBLE = {
    TargetKind.APP_RUNNER: Possible(
        states=tuple(State),
        verbs=_BOTH,
        hands=(Hand.IMAGE, Hand.MIGRATION, Hand.MAINTENANCE),
        beside=tuple(verb for verb in _BOTH if verb not in _UNFIT_BESIDE),
        failing=_FAILING,
    ),
    TargetKind.ECS_EXPRESS: Possible(
        states=tuple(s for s in State if s not in (State.PAUSED, State.MAINTAINED, State.DELETE_FAILED)),
        verbs=_NO_PAUSE,
        hands=(Hand.IMAGE, Hand.MIGRATION, Hand.ROLLBACK),
        beside=(*(verb for verb in _NO_PAUSE if verb not in _UNFIT_BESIDE), Verb.ABORT),
        failing={},
    ),
}


def possible() -> set[tuple[str, str, str]]:
    """Every cell of (state, fault, verb) that a story can cover."""
    return {
        (f"{target.value} {state.value}", fault, verb.value)
        for target, kind in POSSIBLE.items()
        for state in kind.states
        for verb in kind.verbs
        for fault in _faults(kind, verb)
    }


def _faults(kind: Possible, verb: Verb) -> Iterator[str]:
    yield from (*ALONE, *(f"overtaken by {hand.value}" for hand in kind.hands))
    yield from (*(Second(0, beside).named for beside in kind.beside), *(loss.value for loss in Loss))
    yield f"{kind.failing.get(verb, 'ROLLBACK')} does not end"
    if verb is Verb.DEPLOY:
        yield Second(0, same=True).named
    if verb in FORWARD:
        yield from (found.value for found in Migrating)


def scenario(seed: int) -> Scenario:
    """The story of this number; the targets take turns."""
    draw = random.Random(seed)
    target = tuple(POSSIBLE)[seed % len(POSSIBLE)]
    kind = POSSIBLE[target]
    verb = draw.choice((*kind.verbs, Verb.DEPLOY, Verb.ROLLBACK))
    beside = draw.choice((*kind.beside, Verb.DEPLOY))
    return Scenario(
        state=draw.choice((*kind.states, State.RUNNING)),
        verb=verb,
        target=target,
        image=draw.choice((*(Image.HEALTHY,) * 5, *Image)),
        misfortunes=tuple(_misfortune(draw, kind, verb) for _ in range(draw.choice((0, 1, 1, 2, 3)))),
        kill=_kill(draw, verb) if draw.random() < 0.35 else None,
        second=_second(draw, verb, beside) if draw.random() < 0.3 else None,
        migrating=draw.choice((Migrating.WELL, *Migrating)) if verb in FORWARD and draw.random() < 0.4 else None,
        failing=kind.failing.get(verb, "ROLLBACK") if draw.random() < 0.12 else "",
        late=draw.random() < 0.08,
        young=draw.random() < 0.08,
        proven=draw.random() < 0.75,
        rest=draw.choice((0, 0, 30, 3600)),
        forgotten=verb is Verb.APPROVED and draw.random() < 0.4,
        outage=_outage(draw) if draw.random() < 0.3 else None,
        same_deploys=target is TargetKind.ECS_EXPRESS and draw.random() < 0.5,
    )


def _second(draw: random.Random, verb: Verb, beside: Verb) -> Second:
    same = verb is beside is Verb.DEPLOY and draw.random() < 0.7
    return Second(draw.choice((0.0, 0.2, 1.0, 5.0, 20.0, 60.0)), beside, same)


def _outage(draw: random.Random) -> Outage:
    """Draw an outage after the first answer: without any answer, a run reports within seconds that it has no network."""
    return Outage(draw.choice(list(Loss)), draw.randrange(1, 60), draw.randint(1, 120))


def _kill(draw: random.Random, verb: Verb) -> Kill:
    """Draw a kill anywhere, or at a request that matters."""
    if draw.random() < 0.5:
        return Kill(draw.randrange(70), draw.random() < 0.5, cancelled=draw.random() < 0.4)
    changes = [xform_name(name) for name in _CHANGES.get(verb, _RELEASING)]
    hurts = (*changes, "put_image", "put_image", "batch_delete_image", "list_operations")
    return Kill(draw.randrange(3), draw.random() < 0.5, draw.choice(hurts), cancelled=draw.random() < 0.4)


def _misfortune(draw: random.Random, kind: Possible, verb: Verb) -> Misfortune:
    changes = _CHANGES.get(verb, _RELEASING)
    named = draw.choice((changes, changes, _LOOKS, _LEDGER, _LEDGER, _CHECKS))
    effect = draw.choice((*Effect, Effect.OVERTAKEN))
    skip = draw.randrange(2 if named is changes else 6)
    return Misfortune(draw.choice(named), effect, skip, draw.choice((1, 1, 2, 9)), draw.choice(kind.hands))
