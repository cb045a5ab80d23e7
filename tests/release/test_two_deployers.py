"""Deployments of one service at the same time: they never interleave, and the newest wish is the one that lives."""

import itertools

import anyio

from slipway.records.outcome import Status
from slipway.release.ecr_store import EcrStore
from slipway.release.ledger import Ledger
from slipway.release.turn import LIFE_SECONDS
from slipway.simulator.clock import VirtualClock
from tests.release.deployers import Ended, Kill, begun, run
from tests.release.desired import aws_of, spec
from tests.simulator.account import SLOW, Account, opened


async def side_by_side(account: Account, *wanted, apart: float = 1.0) -> list[Ended]:
    """Run them, each some seconds after the one before; answers their ends in that order."""
    ends: dict[int, Ended] = {}

    async def later(place: int, one) -> None:
        await account.cloud.clock.sleep(place * apart)
        ends[place] = await run(account, one)

    async with anyio.create_task_group() as tasks:
        for place, one in enumerate(wanted):
            tasks.start_soon(later, place, one)
    return [ends[place] for place in range(len(wanted))]


async def intervals(account: Account):
    (service,) = account.cloud.app_runner.services.values()
    return [(operation.started, operation.ended) for operation in service.operations]


async def test_the_second_waits_for_the_first_and_follows_it():
    async with opened(clock=VirtualClock(), pace=SLOW) as account:
        await account.create(await account.image())
        first, second = spec(await account.image()), spec(await account.image())
        ends = await side_by_side(account, first, second, apart=60)
        assert [end.code for end in ends] == [0, 0], ends
        assert [end.live for end in ends] == [first.image.digest, second.image.digest]
        times = await intervals(account)
        assert all(ended <= begun_next for (_, ended), (begun_next, _) in itertools.pairwise(times))


async def test_who_still_waits_when_a_newer_one_has_come_is_superseded():
    async with opened(clock=VirtualClock(), pace=SLOW) as account:
        await account.create(await account.image())
        running, waiting, newest = [spec(await account.image()) for _ in range(3)]
        ends = await side_by_side(account, running, waiting, newest, apart=30)
        assert [end.code for end in ends] == [0, 1, 0], ends
        assert ends[1].outcome.status is Status.SUPERSEDED
        assert "deployment 3 came after this one (2)" in ends[1].outcome.diagnosis.cause
        assert ends[2].live == newest.image.digest


async def test_two_runs_of_the_same_deployment_change_the_service_once():
    async with opened(clock=VirtualClock(), pace=SLOW) as account:
        await account.create(await account.image())
        wanted = spec(await account.image())
        ends = await side_by_side(account, wanted, wanted, apart=20)
        assert [end.code for end in ends] == [0, 0], ends
        assert begun(account) == 2


async def test_the_lock_of_a_dead_run_is_taken_over_with_holder_and_age_named():
    async with opened(clock=VirtualClock()) as account:
        await account.create(await account.image())
        dead, wanted = spec(await account.image()), spec(await account.image())
        index = 0
        while True:  # the first request at which it dies in its turn, with nothing sent
            assert (await run(account, dead, Kill(index, done=False))).code is None
            ledger = Ledger(EcrStore(aws_of(account), "notes"), "staging")
            if await ledger.turn():
                break
            index += 1
        began = account.cloud.clock.now()
        ended = await run(account, wanted)
        assert (ended.code, ended.live) == (0, wanted.image.digest)
        (said,) = (line for line in ended.told if "taken away" in line)
        assert said.startswith("waiting: the lock of a test was 1")
        assert (account.cloud.clock.now() - began).total_seconds() > LIFE_SECONDS
        assert await ledger.turn() is None
