"""A deployment that is killed anywhere, and run again, comes to the truth, with one change of the service and no more."""

import pytest

from slipway.records.ledger import Accepted, Intent
from slipway.records.outcome import Status
from slipway.release.aws.ecr_store import EcrStore
from slipway.release.engine.goal import Deleted
from slipway.release.engine.ledger import Ledger, nonce
from slipway.simulator.faults import Effect, Fault
from tests.release import deployers
from tests.release.deployers import Kill, begun, lies
from tests.release.desired import ARN, aws_of, spec
from tests.release.direct import opened
from tests.release.platforms import run
from tests.simulator.scripted import Script

CASES = {"create": (False, True), "update": (True, True), "roll back": (True, False), "fail": (False, False)}
MOST_REQUESTS = 80


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_killed_at_each_request_it_resumes_to_the_truth(place, case, done):
    there, healthy = CASES[case]
    # Until it has ended well or not, a run does the same: of the others every second request will do.
    for index in range(MOST_REQUESTS) if healthy else range(done, MOST_REQUESTS, 2):
        async with place() as platform:
            old = await platform.release()
            if there:
                await platform.create_by_hand(old)
            before = len(platform.changes())
            wanted = await platform.release(healthy=healthy)
            first = await run(platform, wanted, Kill(index, done))
            if first.code is not None:  # it had ended before
                assert index > 15
                return
            again = await run(platform, wanted)
            # Who was killed after the last word to the ledger had ended; another run is another try.
            told = first.is_written and not healthy
            at = f"killed {'after' if done else 'before'} request {index}: {again}"
            assert not lies(again, wanted), at
            assert len(platform.changes()) - before == 1 + told, at
            assert again.code == (0 if healthy else 1), at
            left = wanted.image.digest if healthy else old.image.digest if there else None
            assert await platform.live() == left, at
    raise AssertionError("it never ends")


@pytest.mark.parametrize("effect", [Effect.ANSWER_LOST, Effect.CALL_LOST, Effect.UNAVAILABLE, Effect.THROTTLED])
@pytest.mark.parametrize("there", [True, False], ids=["update", "create"])
async def test_a_change_without_an_answer_is_looked_for_before_it_is_sent_again(platform, effect, there):
    if there:
        await platform.create_by_hand(await platform.release())
    before, wanted = len(platform.changes()), await platform.release()
    platform.faults.add(Fault(operation=platform.calls["update" if there else "create"], effect=effect))
    ended = await run(platform, wanted)
    assert (ended.code, ended.live, len(platform.changes()) - before) == (0, wanted.image.digest, 1), ended


async def test_a_deletion_without_an_answer_is_looked_for_too(platform):
    await run(platform, await platform.release())
    platform.faults.add(Fault(operation=platform.calls["delete"], effect=Effect.ANSWER_LOST))
    ended = await run(platform, Deleted("staging", "notes"))
    assert (ended.code, ended.outcome.status, ended.live) == (0, Status.SUCCEEDED, None), ended


async def test_a_change_whose_answer_names_no_operation_is_looked_for():
    """A generated story: nobody followed it, its number was told to have ended, and the next run began it once more."""
    async with opened() as account:
        await account.create(await account.image())
        before, wanted = begun(account), spec(await account.image(Script(healthy=False)))
        account.cloud.faults.add(Fault(operation="UpdateService", effect=Effect.UNNAMED))
        ended = await deployers.run(account, wanted)
        assert (ended.code, ended.outcome.status, begun(account) - before) == (1, Status.ROLLED_BACK, 1), ended


async def test_credentials_that_expire_on_the_way_are_one_sentence_and_the_next_run_goes_on(platform):
    wanted = await platform.release()
    platform.faults.add(Fault(operation=platform.calls["look"], effect=Effect.EXPIRED, skip=3, times=100))
    ended = await run(platform, wanted)
    assert (ended.code, ended.outcome.status) == (3, Status.UNKNOWN)
    assert "ExpiredTokenException" in ended.outcome.diagnosis.cause
    assert "sign in again and run the same command" in ended.outcome.diagnosis.remedy
    platform.faults.clear()
    again = await run(platform, wanted)
    assert (again.code, again.live, len(platform.changes())) == (0, wanted.image.digest, 1)


async def test_a_platform_that_does_not_answer_any_more_is_unknown_and_not_a_success(platform):
    platform.faults.add(Fault(operation=platform.calls["look"], effect=Effect.CALL_LOST, skip=3, times=1000))
    ended = await run(platform, await platform.release())
    assert (ended.code, ended.outcome.status) == (3, Status.UNKNOWN)


async def test_a_rolled_back_deployment_that_was_not_followed_is_told_as_such_and_then_tried_again(platform):
    await platform.create_by_hand(await platform.release())
    wanted = await platform.release(healthy=False)
    platform.faults.add(Fault(operation=platform.calls["look"], effect=Effect.EXPIRED, skip=7, times=1000))
    assert (await run(platform, wanted)).code == 3
    platform.faults.clear()
    await platform.clock.sleep(3600)
    told = await run(platform, wanted)
    assert (told.outcome.status, len(platform.changes())) == (Status.ROLLED_BACK, 2)
    again = await run(platform, wanted)
    assert (again.outcome.status, len(platform.changes())) == (Status.ROLLED_BACK, 3)


async def test_a_deployment_whose_service_is_gone_ends_and_is_tried_again():
    """Before, each run said that nobody knows, and no run after it got any further."""
    async with opened() as account:
        wanted, ledger = spec(await account.image()), Ledger(EcrStore(aws_of(account), "notes"), "staging")
        await ledger.claim(
            Intent(
                environment="staging",
                number=0,
                image=str(wanted.image),
                wanted=wanted.hash,
                fingerprint="nothing",
                holder="the dead",
                nonce=nonce(),
            ),
            0,
        )
        await ledger.accept(Accepted(environment="staging", number=1, arn=ARN, operation="gone", creating=True))
        told = await deployers.run(account, wanted)
        assert (told.code, told.outcome.status, begun(account)) == (1, Status.SUPERSEDED, 0)
        again = await deployers.run(account, wanted)
        assert (again.code, again.live, begun(account)) == (0, wanted.image.digest, 1)


@pytest.mark.parametrize("effect", [Effect.CALL_LOST, Effect.EXPIRED])
async def test_who_cannot_look_does_not_say_no(platform, effect):
    """A generated story: what was wanted was live already, and exit 1 denied it."""
    wanted = await platform.release()
    assert (await run(platform, wanted)).code == 0
    platform.faults.add(Fault(operation=platform.calls["find"], effect=effect, times=9))
    assert (await run(platform, wanted)).code == 3
