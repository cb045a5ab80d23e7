"""A deployment that is killed anywhere and run again reaches the truth with one change of the service.

`SLIPWAY_EVERY_REQUEST=1 pytest tests/release/test_resume.py tests/environment/test_rollback.py -k killed` kills before and after each request.
"""

import pytest

from slipway.records.ledger import Intent
from slipway.records.outcome import Status
from slipway.release.aws.ecr import EcrStore
from slipway.release.engine.goal import Deleted
from slipway.release.engine.ledger import Ledger, nonce
from slipway.release.engine.target import Operation
from slipway.simulator.faults import Effect, Fault
from tests.release import deployers
from tests.release.deployers import EVERY_REQUEST, Ended, Kill, changes, lies
from tests.release.desired import ARN, aws_of, spec
from tests.release.direct import opened
from tests.release.platforms import run
from tests.simulator.scripted import Script

CASES = {"create": (False, True), "update": (True, True), "roll back": (True, False), "fail": (False, False)}
MOST_REQUESTS = 240


async def killed_and_resumed(place, case, kill: Kill) -> Ended:
    """Kill a deployment, run it again, and hold the end against the platform; return how the first run ended."""
    there, healthy = CASES[case]
    async with place() as platform:
        old = await platform.release()
        if there:
            await platform.create_by_hand(old)
        before = len(platform.changes())
        wanted = await platform.release(healthy=healthy)
        first = await run(platform, wanted, kill)
        if first.code is not None:  # it ended before
            return first
        again = await run(platform, wanted)
        # A run killed after its last record had ended; another run is another attempt.
        attempts = 2 if first.is_written and not healthy else 1
        assert not lies(again, wanted), f"{kill}: {again}"
        assert len(platform.changes()) - before == attempts, f"{kill}: {again}"
        assert again.code == (0 if healthy else 1), f"{kill}: {again}"
        left = wanted.image.digest if healthy else old.image.digest if there else None
        assert await platform.live() == left, f"{kill}: {again}"
        return first


@pytest.mark.parametrize("place", ["ecs-express"], indirect=True)  # the slow test below has every request of both
async def test_killed_at_each_kind_of_request_it_resumes_to_the_truth(place):
    """The first request of a kind is not sent, or the answer to the last one not read, in turn."""
    whole = await killed_and_resumed(place, "update", Kill(MOST_REQUESTS, done=False))
    kinds = dict.fromkeys(whole.operations)
    assert len(kinds) > 3
    for number, operation in enumerate(kinds):
        done = number % 2 == 0
        index = whole.operations.count(operation) - 1 if done else 0
        assert (await killed_and_resumed(place, "update", Kill(index, done, operation))).code is None


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
async def test_killed_after_each_request_it_resumes_to_the_truth(place, case):
    _, healthy = CASES[case]
    whole = await killed_and_resumed(place, case, Kill(MOST_REQUESTS, done=True))
    every = points(whole.operations)
    if not EVERY_REQUEST:  # a run that fails differs only after its change
        own = [*CASES].index(case)  # each case has other points of the three
        every = every[own::3] if healthy else every[every.index(change_in(whole.operations) - 1) :: 3]
    for index in every:
        assert (await killed_and_resumed(place, case, Kill(index, done=True))).code is None


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES if EVERY_REQUEST else ["update"])
async def test_killed_before_a_request_it_resumes_to_the_truth(place, case):
    """That is after the one before it, but later: every fifth request is enough."""
    whole = await killed_and_resumed(place, case, Kill(MOST_REQUESTS, done=False))
    for index in points(whole.operations)[:: 1 if EVERY_REQUEST else 5]:
        assert (await killed_and_resumed(place, case, Kill(index, done=False))).code is None


WRITES = ("put_", "initiate_", "upload_", "complete_", "create_", "update_", "batch_delete_", "ledger")


def points(operations):
    """Return the requests to die at: every write, the first and the last read of each kind, and all at the change and at the end.

    After any other read the account is as it was after the request before it.
    """
    assert 15 < len(operations) < MOST_REQUESTS
    if EVERY_REQUEST:
        return [*range(len(operations))]
    first = {operations.index(name) for name in operations}
    last = {len(operations) - 1 - operations[::-1].index(name) for name in operations}
    end = range(len(operations) - 3, len(operations))
    writes = {index for index, name in enumerate(operations) if name.startswith(WRITES)}
    change = change_in(operations)  # what the platform answers may be behind it for a while
    return sorted({*writes, *first, *last, *range(change - 1, change + 4), *end})


def change_in(operations):
    return next(index for index, name in enumerate(operations) if name.startswith(("create_", "update_")))


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
    """A generated story: the operation was not followed, its number ended, and the next run started it again."""
    async with opened() as account:
        await account.create(await account.image())
        before, wanted = changes(account), spec(await account.image(Script(healthy=False)))
        account.cloud.faults.add(Fault(operation="UpdateService", effect=Effect.MISSING_OPERATION_ID))
        ended = await deployers.run(account, wanted)
        assert (ended.code, ended.outcome.status, changes(account) - before) == (1, Status.ROLLED_BACK, 1), ended


async def test_credentials_that_expire_on_the_way_are_one_sentence_and_the_next_run_resumes(platform):
    wanted = await platform.release()
    platform.faults.add(Fault(operation=platform.calls["follow"], effect=Effect.EXPIRED, skip=3, times=100))
    ended = await run(platform, wanted)
    assert (ended.code, ended.outcome.status) == (3, Status.UNKNOWN)
    assert "ExpiredTokenException" in ended.outcome.diagnosis.cause
    assert "sign in again and run the same command" in ended.outcome.diagnosis.remedy
    platform.faults.clear()
    again = await run(platform, wanted)
    assert (again.code, again.live, len(platform.changes())) == (0, wanted.image.digest, 1)


async def test_a_platform_that_does_not_answer_any_more_is_unknown_and_not_a_success(platform):
    platform.faults.add(Fault(operation=platform.calls["follow"], effect=Effect.CALL_LOST, skip=3, times=1000))
    ended = await run(platform, await platform.release())
    assert (ended.code, ended.outcome.status) == (3, Status.UNKNOWN)


async def test_a_rolled_back_deployment_that_was_not_followed_is_reported_and_then_tried_again(platform):
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
    """An earlier version ended unknown in each run."""
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
        await ledger.accept(1, Operation(ARN, "gone", creating=True))
        told = await deployers.run(account, wanted)
        assert (told.code, told.outcome.status, changes(account)) == (1, Status.SUPERSEDED, 0)
        again = await deployers.run(account, wanted)
        assert (again.code, again.live, changes(account)) == (0, wanted.image.digest, 1)


@pytest.mark.parametrize("effect", [Effect.CALL_LOST, Effect.EXPIRED])
async def test_a_run_that_cannot_read_the_live_state_does_not_deny_it(platform, effect):
    """A generated story: the goal was true already, and exit 1 denied it."""
    wanted = await platform.release()
    assert (await run(platform, wanted)).code == 0
    platform.faults.add(Fault(operation=platform.calls["find"], effect=effect, times=9))
    assert (await run(platform, wanted)).code == 3
