"""A deployment that is killed anywhere, and run again, comes to the truth, with one change of the service and no more."""

from dataclasses import replace

import pytest

from slipway.records.outcome import Status
from slipway.records.release import Accepted, Intent
from slipway.release.ecr_store import EcrStore
from slipway.release.ledger import Ledger, nonce
from slipway.simulator.clock import VirtualClock
from slipway.simulator.faults import Effect, Fault
from tests.release.deployers import Kill, begun, lies, live, run
from tests.release.desired import ARN, aws_of, deployed, spec
from tests.simulator.account import BRISK, opened
from tests.simulator.scripted import Script

UNHEALTHY = Script(healthy=False)
CASES = {
    "create": (False, Script()),
    "update": (True, Script()),
    "roll back": (True, UNHEALTHY),
    "fail": (False, UNHEALTHY),
}
PACE = replace(BRISK, patience=10, roll_back=3)
MOST_REQUESTS = 60


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_killed_at_each_request_it_resumes_to_the_truth(case, done):
    there, script = CASES[case]
    for index in range(MOST_REQUESTS):
        async with opened(clock=VirtualClock(), pace=PACE) as account:
            old = await account.image()
            if there:
                await account.create(old)
            before = begun(account)
            wanted = spec(await account.image(script))
            first = await run(account, wanted, Kill(index, done))
            if first.code is not None:  # it had ended before
                assert index > 15
                return
            again = await run(account, wanted)
            # Who was killed after the last word to the ledger had ended; another run is another try.
            told = first.is_written and not script.healthy
            at = f"killed {'after' if done else 'before'} request {index}: {again}"
            assert not lies(again, wanted), at
            assert begun(account) - before == 1 + told, at
            assert again.code == (0 if script.healthy else 1), at
            assert await live(account) == (wanted.image.digest if script.healthy else old if there else None), at
    raise AssertionError("it never ends")


@pytest.mark.parametrize("effect", [Effect.ANSWER_LOST, Effect.CALL_LOST, Effect.UNAVAILABLE, Effect.THROTTLED])
@pytest.mark.parametrize("there", [True, False], ids=["update", "create"])
async def test_a_change_without_an_answer_is_looked_for_before_it_is_sent_again(effect, there):
    async with opened(clock=VirtualClock()) as account:
        if there:
            await account.create(await account.image())
        before, wanted = begun(account), spec(await account.image())
        account.cloud.faults.add(Fault("UpdateService" if there else "CreateService", effect))
        ended = await run(account, wanted)
        assert (ended.code, ended.live, begun(account) - before) == (0, wanted.image.digest, 1), ended


async def test_a_change_whose_answer_names_no_operation_is_looked_for():
    """A generated story: nobody followed it, its number was told to have ended, and the next run began it once more."""
    async with opened(clock=VirtualClock(), pace=PACE) as account:
        await account.create(await account.image())
        before, wanted = begun(account), spec(await account.image(UNHEALTHY))
        account.cloud.faults.add(Fault("UpdateService", Effect.UNNAMED))
        ended = await run(account, wanted)
        assert (ended.code, ended.outcome.status, begun(account) - before) == (1, Status.ROLLED_BACK, 1), ended


async def test_credentials_that_expire_on_the_way_are_one_sentence_and_the_next_run_goes_on():
    async with opened(clock=VirtualClock()) as account:
        wanted = spec(await account.image())
        account.cloud.faults.add(Fault("ListOperations", Effect.EXPIRED, skip=3, times=100))
        ended = await run(account, wanted)
        assert (ended.code, ended.outcome.status) == (3, Status.UNKNOWN)
        assert "ExpiredTokenException" in ended.outcome.diagnosis.cause
        assert "sign in again and run the same command" in ended.outcome.diagnosis.remedy
        account.cloud.faults.clear()
        again = await run(account, wanted)
        assert (again.code, again.live, begun(account)) == (0, wanted.image.digest, 1)


async def test_a_platform_that_does_not_answer_any_more_is_unknown_and_not_a_success():
    async with opened(clock=VirtualClock()) as account:
        account.cloud.faults.add(Fault("ListOperations", Effect.CALL_LOST, skip=3, times=1000))
        ended = await run(account, spec(await account.image()))
        assert (ended.code, ended.outcome.status) == (3, Status.UNKNOWN)


async def test_a_word_that_nobody_knows_is_unknown_and_never_a_success():
    async with opened(clock=VirtualClock()) as account:
        first = await run(account, spec(await account.image()))
        assert first.code == 0
        wanted = spec(await account.image())

        (service,) = account.cloud.app_runner.services.values()
        described = type(service.operations[0]).described
        type(service.operations[0]).described = lambda self: described(self) | {"Status": "DEFERRED"}
        try:
            ended = await run(account, wanted)
        finally:
            type(service.operations[0]).described = described
        assert (ended.code, ended.outcome.status) == (3, Status.UNKNOWN)


async def test_a_rolled_back_deployment_that_was_not_followed_is_told_as_such_and_then_tried_again():
    async with opened(clock=VirtualClock()) as account:
        await account.create(await account.image())
        wanted = spec(await account.image(UNHEALTHY))
        account.cloud.faults.add(Fault("ListOperations", Effect.EXPIRED, skip=4, times=1000))
        assert (await run(account, wanted)).code == 3
        account.cloud.faults.clear()
        await account.cloud.clock.sleep(3600)
        told = await deployed(account, wanted)
        assert (told.outcome.status, told.changes) == (Status.ROLLED_BACK, [])
        again = await deployed(account, wanted)
        assert (again.outcome.status, again.changes) == (Status.ROLLED_BACK, ["UpdateService"])


async def test_a_deployment_whose_service_is_gone_ends_and_is_tried_again():
    """Before, each run said that nobody knows, and no run after it got any further."""
    async with opened(clock=VirtualClock()) as account:
        wanted, ledger = spec(await account.image()), Ledger(EcrStore(aws_of(account), "notes"), "staging")
        await ledger.claim(Intent("staging", 0, str(wanted.image), wanted.hash, "nothing", "the dead", nonce()), 0)
        await ledger.accept(Accepted("staging", 1, ARN, "gone", creating=True))
        told = await run(account, wanted)
        assert (told.code, told.outcome.status, begun(account)) == (1, Status.SUPERSEDED, 0)
        again = await run(account, wanted)
        assert (again.code, again.live, begun(account)) == (0, wanted.image.digest, 1)


@pytest.mark.parametrize("effect", [Effect.CALL_LOST, Effect.EXPIRED])
async def test_who_cannot_look_does_not_say_no(effect):
    """A generated story: what was wanted was live already, and exit 1 denied it."""
    async with opened(clock=VirtualClock()) as account:
        wanted = spec(await account.image())
        assert (await run(account, wanted)).code == 0
        account.cloud.faults.add(Fault("ListServices", effect, times=9))
        assert (await run(account, wanted)).code == 3
