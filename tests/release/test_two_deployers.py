"""Concurrent deployments of one service: they never interleave, and the newest one wins."""

import itertools

import anyio
import pytest
from botocore import xform_name

from slipway.records.ledger import Lock
from slipway.records.outcome import Status
from slipway.release.engine.ledger import nonce
from slipway.release.engine.lock import LIFE_SECONDS
from tests.release.deployers import Ended, Kill
from tests.release.platforms import Platform, run

pytestmark = pytest.mark.slow


async def side_by_side(platform: Platform, *wanted, apart: float = 1.0) -> list[Ended]:
    """Run them, each some seconds after the one before; return their ends in that order."""
    ends: dict[int, Ended] = {}

    async def later(index: int, one) -> None:
        await platform.clock.sleep(index * apart)
        ends[index] = await run(platform, one)

    async with anyio.create_task_group() as tasks:
        for index, one in enumerate(wanted):
            tasks.start_soon(later, index, one)
    return [ends[index] for index in range(len(wanted))]


@pytest.mark.parametrize("apart", [60, 3, 0])
async def test_the_second_waits_for_the_first_and_follows_it(place, apart):
    async with place(update=150) as platform:
        await platform.create_by_hand(await platform.release())
        first, second = await platform.release(), await platform.release()
        ends = await side_by_side(platform, first, second, apart=apart)
        assert all(end.code in (0, 1) for end in ends), ends
        assert [end.live for end in ends if end.code == 0][-1] == second.image.digest
        if apart == 60:
            assert [end.code for end in ends] == [0, 0], ends
            assert ends[0].live == first.image.digest
        changes = reversed(platform.changes())
        assert all(ended and ended <= begun_next for (_, ended), (begun_next, _) in itertools.pairwise(changes))


async def test_a_waiting_run_is_superseded_by_a_newer_one(place):
    async with place(update=150) as platform:
        await platform.create_by_hand(await platform.release())
        running, waiting, newest = [await platform.release() for _ in range(3)]
        ends = await side_by_side(platform, running, waiting, newest, apart=30)
        assert [end.code for end in ends] == [0, 1, 0], ends
        assert ends[1].outcome.status is Status.SUPERSEDED
        assert "deployment 3 came after this one (2)" in ends[1].outcome.diagnosis.cause
        assert ends[2].live == newest.image.digest


async def test_while_one_run_is_about_to_send_its_change_no_other_sends_one(place):
    """A platform that accepts a second change would do both, and the older release would win."""
    async with place(update=150) as platform:
        await platform.create_by_hand(await platform.release())
        first, second = await platform.release(), await platform.release()
        slow = platform.engine(lambda _event: None)[0].target
        send = slow.apply

        async def slowly(*change):
            await platform.clock.sleep(20)
            return await send(*change)

        slow.apply = slowly
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: run(platform, first, target=slow))
            await platform.clock.sleep(10)
            ended = await run(platform, second)
        assert "waiting: a test holds the lock" in ended.told
        assert (ended.code, ended.live) == (0, second.image.digest)
        changes = reversed(platform.changes())
        assert all(ended and ended <= begun_next for (_, ended), (begun_next, _) in itertools.pairwise(changes))


async def test_two_runs_of_the_same_deployment_change_the_service_once(place):
    async with place(update=150) as platform:
        await platform.create_by_hand(await platform.release())
        wanted = await platform.release()
        ends = await side_by_side(platform, wanted, wanted, apart=20)
        assert [end.code for end in ends] == [0, 0], ends
        assert len(platform.changes()) == 2


async def test_the_lock_of_a_deployment_that_has_ended_is_freed_at_once(platform):
    await run(platform, await platform.release())
    left = Lock(environment="staging", number=1, holder="ann", newest=None, nonce=nonce())
    assert await platform.ledger.acquire_lock(left)
    ended = await run(platform, await platform.release())
    assert ended.code == 0
    assert "waiting: the lock of ann was left after its deployment's end and has been released" in ended.told
    assert await platform.ledger.lock() is None


async def test_the_lock_of_a_dead_run_is_taken_over_with_holder_and_age_named(platform):
    await platform.create_by_hand(await platform.release())
    dead, wanted = await platform.release(), await platform.release()
    at_the_change = Kill(0, done=False, of=xform_name(platform.calls["update"]))
    assert (await run(platform, dead, at_the_change)).code is None
    assert await platform.ledger.lock()
    began = platform.clock.now()
    ended = await run(platform, wanted)
    assert (ended.code, ended.live) == (0, wanted.image.digest)
    (said,) = (line for line in ended.told if "has been released" in line)
    assert said.startswith("waiting: the lock of a test had expired (1")
    assert (platform.clock.now() - began).total_seconds() > LIFE_SECONDS
    assert await platform.ledger.lock() is None
