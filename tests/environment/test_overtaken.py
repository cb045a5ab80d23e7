"""Deployments whose run did not see their end, and jobs of old commits that run again."""

from dataclasses import replace

import pytest

from slipway.environment.environment import pause
from slipway.environment.redeploy import CompatibilityEvidence, plan_rollback, rollback
from slipway.environment.status import status
from slipway.errors import RefusedError
from slipway.records.outcome import Status, Verb
from tests.environment.test_rollback import deployed
from tests.release.deployers import Kill, MortalAws, mortal

pytestmark = pytest.mark.slow


async def cancelled(place, account, *, of="filter_log_events", head="aaa"):
    """Deploy a release whose run is cancelled at its first request of a kind; it goes live anyway if it was followed."""
    digest, aws = await place.image(head), MortalAws(account, Kill(0, done=False, of=of))
    environment = replace(place.migrating_to(head), connection=aws)
    with mortal() as fate:
        await environment.deploy(digest, place.tell)
    assert fate.killed
    await account.cloud.clock.sleep(200)
    return digest


async def test_status_knows_the_end_of_a_cancelled_deployment_by_the_platform(staging, account):
    await deployed(staging)
    digest, before = await cancelled(staging, account), account.cloud.clock.now()
    seen = await status(staging.environment)
    assert (seen.observed.digest, seen.live.number, seen.live.status) == (digest, 2, Status.SUCCEEDED)
    assert (seen.unfinished, seen.live.database) == ((), ("aaa",))
    assert 0 < before.timestamp() - seen.live.ended < 200
    assert "PutImage" not in account.cloud.requests[-12:]


async def test_a_rollback_goes_to_the_release_that_was_live_although_its_run_was_cancelled(staging, account):
    """It went to the one before, and the number could not be named."""
    await deployed(staging)
    second = await cancelled(staging, account)
    await deployed(staging)
    history = await staging.environment.history()
    assert [(found.number, found.status) for found in history.releases][1:] == [
        (2, Status.SUCCEEDED),
        (1, Status.SUCCEEDED),
    ]
    assert history.unfinished == ()
    assert (await plan_rollback(staging.environment, 2)).image.endswith(second)
    assert (await rollback(staging.environment, staging.tell, None, CompatibilityEvidence())).live == second


async def test_a_deployment_that_was_cancelled_before_its_change_is_superseded_by_the_next(staging, account):
    await deployed(staging)
    await cancelled(staging, account, of="update_service")  # it holds the lock
    assert (await status(staging.environment)).unfinished == (2,)
    await deployed(staging)
    (third, second, _) = (await staging.environment.history()).releases
    assert (third.number, second.status, second.cause) == (3, Status.SUPERSEDED, "deployment 3 came after this one")


async def test_a_paused_service_is_known_as_such_after_its_run_was_cancelled(staging, account):
    await deployed(staging)
    aws = MortalAws(account, Kill(0, done=False, of="filter_log_events"))
    environment = replace(staging.environment, connection=aws)
    with mortal():
        await pause(environment, staging.tell)
    await account.cloud.clock.sleep(200)
    seen = await status(staging.environment)
    assert (seen.newest.verb, seen.newest.status, seen.unfinished) == (Verb.PAUSE, Status.SUCCEEDED, ())


async def test_an_older_release_that_never_went_live_is_nothing_to_go_back_to(staging):
    await deployed(staging)
    sick = await staging.image("aaa", healthy=False)
    await staging.environment.deploy(sick, staging.tell)
    await deployed(staging)
    with pytest.raises(RefusedError) as refused:
        await staging.environment.deploy(sick, staging.tell)
    assert "deployment 2 tried it, and it never went live" in str(refused.value)
    assert "--to" not in str(refused.value)


async def test_an_older_release_replaces_a_newer_one_only_with_older(staging, account):
    first, second = await deployed(staging), await deployed(staging)
    (note,) = (await staging.environment.plan(first)).notes
    assert note.startswith("deployed with --older only: deployment 1 brought it, and deployment 2 brought a newer one")
    assert (await staging.environment.plan(await staging.image("aaa"))).notes == ()
    claimed = len((await staging.environment.history()).releases)
    with pytest.raises(
        RefusedError, match=r"deployment 1 brought it, and deployment 2 brought a newer one: .*--to 1`, or pass --older"
    ):
        await staging.environment.deploy(first, staging.tell)
    assert len((await staging.environment.history()).releases) == claimed
    await rollback(staging.environment, staging.tell, 1, CompatibilityEvidence())
    assert (await staging.environment.deploy(second, staging.tell)).status is Status.SUCCEEDED  # it is newer than 1
    outcome = await staging.environment.deploy(first, staging.tell, older=True)
    assert (outcome.status, outcome.live) == (Status.SUCCEEDED, first)


async def test_a_release_whose_newer_one_failed_may_be_deployed_again(staging):
    await deployed(staging)
    second = await staging.image(healthy=False)
    await staging.environment.deploy(second, staging.tell)
    await staging.environment.deploy(await staging.image(healthy=False), staging.tell)
    outcome = await staging.environment.deploy(second, staging.tell)
    assert outcome.status is Status.ROLLED_BACK
