"""Generated stories of deployments: what is there before, what goes wrong, who dies, who comes in between; and what must be true at the end.

The oracle knows the account's operations and what answers at the front door, and of a deployer nothing but its exit code.
"""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

import anyio
from botocore.exceptions import ClientError

from slipway.records.plan import Plan
from slipway.release.plan import plan
from slipway.simulator.clock import VirtualClock
from slipway.simulator.faults import Effect, Fault
from tests.release.deployers import Ended, Kill, begun, lies, run
from tests.release.desired import spec, target_of
from tests.simulator.account import BRISK, Account, asked, opened
from tests.simulator.scripted import Script

PACE = replace(BRISK, patience=10, roll_back=3)
HEALTHY, UNHEALTHY, DEAD = Script(), Script(healthy=False), Script(starts=False)
_CALLS = (
    "ListServices",
    "DescribeService",
    "ListOperations",
    "CreateService",
    "UpdateService",
    "FilterLogEvents",
    "ListImages",
    "BatchGetImage",
    "DescribeImages",
    "PutImage",
    "BatchDeleteImage",
)
# Whose credentials are wrong learns it at the first call, with one answer for all.
EFFECTS = [effect for effect in Effect if effect not in (Effect.DENIED, Effect.SKEWED)]


class State(Enum):
    """What is there when the story begins."""

    ABSENT = "absent"
    RUNNING = "running"
    LIVE_ALREADY = "live already"
    CREATE_FAILED = "create failed"
    BUSY = "busy"
    DELETED = "deleted"


class Verb(Enum):
    """How it is asked for."""

    DEPLOY = "deploy"
    APPROVED = "deploy --plan"


@dataclass(frozen=True)
class Misfortune:
    """A fault as it can be told twice."""

    operation: str
    effect: Effect
    skip: int
    times: int


@dataclass(frozen=True)
class Scenario:
    """`second` is how many seconds after the first another deployer comes with another image, if one does."""

    state: State
    verb: Verb = Verb.DEPLOY
    image: Script = HEALTHY
    misfortunes: tuple[Misfortune, ...] = ()
    kill: Kill | None = None
    second: float | None = None

    def cells(self) -> Iterator[tuple[str, str, str]]:
        """What of (state, fault, verb) it covers."""
        faults = [found.effect.value for found in self.misfortunes] + ["killed"] * (self.kill is not None)
        for fault in faults or ["none"]:
            yield self.state.value, fault, self.verb.value + (", two" if self.second is not None else "")


def scenario(seed: int) -> Scenario:
    """The story of this number."""
    draw = random.Random(seed)
    misfortunes = tuple(
        Misfortune(draw.choice(_CALLS), draw.choice(EFFECTS), draw.randrange(6), draw.choice((1, 1, 2, 9)))
        for _ in range(draw.choice((0, 1, 1, 2, 3)))
    )
    kill = Kill(draw.randrange(45), draw.random() < 0.5) if draw.random() < 0.4 else None
    second = draw.choice((0.0, 1.0, 5.0, 20.0)) if draw.random() < 0.35 else None
    image = draw.choice((HEALTHY, HEALTHY, HEALTHY, UNHEALTHY, DEAD))
    verb = draw.choice((Verb.DEPLOY, Verb.DEPLOY, Verb.APPROVED))
    return Scenario(draw.choice(list(State)), verb, image, misfortunes, kill, second)


async def violations(story: Scenario) -> list[str]:
    """What was not true in it; empty when all was."""
    async with opened(clock=VirtualClock(), pace=PACE) as account:
        wanted = spec(await account.image(story.image))
        others = spec(await account.image())
        await _set_up(account, story.state, wanted.image.digest)
        approved = plan(wanted, await target_of(account).observe()) if story.verb is Verb.APPROVED else None
        before = begun(account)
        by_hand = _ByHand(account)
        account.cloud.faults.add(
            *(Fault(found.operation, found.effect, found.skip, found.times, by_hand) for found in story.misfortunes)
        )
        ends: dict[str, Ended] = {}

        async def first(plan: Plan | None) -> None:
            ends["first"] = await run(account, wanted, story.kill, plan)

        async def second(after: float) -> None:
            await account.cloud.clock.sleep(after)
            ends["second"] = await run(account, others)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first, approved)
            if story.second is not None:
                tasks.start_soon(second, story.second)
        told = sum(end.code is None and end.is_written for end in ends.values())
        account.cloud.faults.clear()
        for name, end in list(ends.items()):
            if end.code in (None, 3):  # the next run must find out
                ends[f"{name} again"] = await run(account, wanted if name == "first" else others)
        changes = begun(account) - before - by_hand.changes
        most = 1 + told if story.second is None else len(ends)
        found = [f"{changes} changes were begun, by {len(ends)} runs"] if changes > most else []
        for name, end in ends.items():
            lie = lies(end, others if name.startswith("second") else wanted)
            found += [f"{name}: {lie} {end}"] if lie else []
            if name.endswith("again") and end.code not in (0, 1):
                found.append(f"{name}: exit {end.code} although nothing went wrong {end}")
        return found


@dataclass
class _ByHand:
    """Somebody who updates the service to an image of their own whenever they are let; `changes` is how often that was."""

    account: Account
    changes: int = 0

    async def __call__(self) -> None:
        running = [found for found in self.account.cloud.app_runner.services.values() if found.status == "RUNNING"]
        for service in running:
            image = asked(await self.account.image())
            with suppress(ClientError):  # what they meet is their own misfortune
                await self.account.ask("apprunner", "update_service", ServiceArn=service.arn, **image)
                self.changes += 1


async def _set_up(account: Account, state: State, wanted: str) -> None:
    if state is State.ABSENT:
        return
    image = (
        wanted
        if state is State.LIVE_ALREADY
        else await account.image(UNHEALTHY if state is State.CREATE_FAILED else None)
    )
    arn = await account.create(image)
    if state is State.LIVE_ALREADY and (await account.described(arn))["Status"] == "RUNNING":
        # as slipway has left it, and not as by hand
        account.cloud.faults.clear()
        await run(account, spec(wanted))
    if state is State.BUSY:
        await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(await account.image()))
    if state is State.DELETED:
        await account.ask("apprunner", "delete_service", ServiceArn=arn)
        await account.settled(arn)
