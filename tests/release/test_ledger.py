"""The ledger in a simulated ECR and in memory: each name is accepted once, also when its answer is lost."""

from datetime import timedelta

import pytest

from slipway.errors import RefusedError
from slipway.records.ledger import Intent, Lock, Release
from slipway.records.outcome import Status
from slipway.release.aws.ecr import EcrStore
from slipway.release.engine.ledger import Contents, Ledger, nonce
from slipway.release.engine.lock import DeployLock
from slipway.release.engine.target import Time
from slipway.release.errors import BusyError
from slipway.simulator.faults import Effect, Fault
from tests.release.desired import aws_of
from tests.release.direct import opened
from tests.release.memory_store import MemoryStore, Shelf


@pytest.fixture
async def account():
    async with opened() as account:
        yield account


@pytest.fixture(params=["ECR", "memory"])
def store(request, account):
    in_ecr = EcrStore(aws_of(account), "notes")
    return in_ecr if request.param == "ECR" else MemoryStore(Shelf(account.cloud.clock))


@pytest.fixture
def ledger(store):
    return Ledger(store, "staging")


def intent(**changes):
    return Intent(
        environment="staging",
        number=0,
        image="notes@sha256:1",
        wanted="wanted",
        fingerprint="fingerprint",
        holder="me",
        nonce=nonce(),
        **changes,
    )


def lock():
    return Lock(environment="staging", number=1, holder="me", newest=None, nonce=nonce())


async def test_each_number_is_claimed_once(ledger):
    first, second = await ledger.claim(intent(), 0), await ledger.claim(intent(), 0)
    assert [first.number, second.number] == [1, 2]
    assert await ledger.intent(2) == second
    assert await ledger.contents() == Contents(frozenset({1, 2}), frozenset(), frozenset())


@pytest.mark.parametrize("effect", [Effect.ANSWER_LOST, Effect.CALL_LOST, Effect.UNAVAILABLE, Effect.THROTTLED])
async def test_each_number_is_claimed_once_also_when_the_answer_is_lost(account, effect):
    ledger = Ledger(EcrStore(aws_of(account), "notes"), "staging")
    account.cloud.faults.add(Fault(operation="PutImage", effect=effect, skip=1))
    assert (await ledger.claim(intent(), 0)).number == 1
    assert (await ledger.contents()).intents == {1}


async def test_the_lock_is_acquired_once_and_again_after_its_release(account, ledger):
    mine, theirs = lock(), lock()
    assert await ledger.acquire_lock(mine)
    assert not await ledger.acquire_lock(theirs)
    held, stored = await ledger.lock()
    assert held == mine
    await account.cloud.clock.sleep(90)
    assert (await ledger.lock())[1].age == pytest.approx(90, abs=1)
    await ledger.release_lock(stored.key)
    assert await ledger.lock() is None
    assert await ledger.acquire_lock(theirs)


async def test_a_wall_clock_that_is_set_does_not_age_a_lock_and_a_machine_that_slept_does(account, ledger):
    passed, hours = [0.0], iter(range(100))
    time = Time(
        lambda: account.cloud.clock.now() + timedelta(hours=next(hours)), account.cloud.clock.sleep, lambda: passed[0]
    )
    held = DeployLock(None, ledger, time, lock())
    await held.acquire()
    await held.check()
    passed[0] = 100.0
    with pytest.raises(BusyError, match="no longer holds its lock"):
        await held.check()


async def test_releasing_an_old_lock_twice_does_not_release_a_new_one(ledger):
    await ledger.acquire_lock(lock())
    _, old = await ledger.lock()
    await ledger.release_lock(old.key)
    new = lock()
    await ledger.acquire_lock(new)
    await ledger.release_lock(old.key)
    assert (await ledger.lock())[0] == new


async def test_environments_do_not_see_each_others_deployments(store, ledger):
    other = Ledger(store, "staging.eu")
    await ledger.claim(intent(), 0)
    assert (await other.contents()).newest == 0


async def test_releases_are_read_newest_first_and_the_first_record_wins(ledger):
    ends = [
        Release(
            environment="staging",
            number=number,
            image="notes@sha256:1",
            status=Status.SUCCEEDED,
            live=None,
            operation=None,
            ended=1,
            seconds=2.0,
        )
        for number in (1, 2, 3)
    ]
    for end in ends:
        await ledger.end(end)
    await ledger.end(
        Release(
            environment="staging",
            number=2,
            image="notes@sha256:1",
            status=Status.ROLLED_BACK,
            live=None,
            operation=None,
            ended=1,
            seconds=2.0,
        )
    )
    assert await ledger.releases({1, 2, 3}) == tuple(reversed(ends))


async def test_a_repository_whose_tags_can_be_overwritten_is_refused_with_the_command(account):
    await account.ask("ecr", "create_repository", repositoryName="mutable")
    with pytest.raises(RefusedError, match="tags of the repository mutable can be overwritten") as refused:
        await EcrStore(aws_of(account), "mutable").check()
    assert "put-image-tag-mutability --repository-name mutable" in refused.value.next_step
    await EcrStore(aws_of(account), "notes").check()
