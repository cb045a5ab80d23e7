"""Status: the live release, its deployment, later failures and readiness."""

import pytest

from slipway.environment.environment import ServiceEnvironment, destroy, pause
from slipway.environment.redeploy import CompatibilityEvidence, rollback
from slipway.environment.status import status
from slipway.errors import RefusedError
from slipway.records.ledger import Intent
from slipway.records.migration import Readiness
from slipway.records.outcome import Status, Verb
from slipway.release.errors import AwsRefusedError
from tests.verbs.test_rollback import deployed


async def test_an_empty_environment_has_an_empty_status(staging):
    seen = await status(staging.verbs)
    assert (seen.observed.status, seen.live, seen.newest, seen.unfinished, seen.readiness) == (
        None,
        None,
        None,
        (),
        None,
    )
    assert seen.unseen == ""


async def test_the_deployment_that_brought_what_is_live_is_named_and_what_failed_after_it(staging):
    first = await deployed(staging)
    await deployed(staging)
    await rollback(staging.verbs, staging.tell, None, CompatibilityEvidence())
    await staging.verbs.deploy(await staging.image(healthy=False), staging.tell)
    seen = await status(staging.verbs)
    assert (seen.observed.digest, seen.live.number, seen.live.verb) == (first, 3, Verb.ROLLBACK)
    assert (seen.newest.number, seen.newest.status) == (4, Status.ROLLED_BACK)


async def test_the_release_says_which_schema_it_knows_and_which_it_has(staging):
    await deployed(staging, "aaa", commit="c0ffee")
    staging.head = "zzz"
    assert (await status(staging.verbs)).readiness == Readiness(("aaa",), ("zzz",), "c0ffee")


async def test_unfinished_deployments_are_named(staging):
    await deployed(staging)
    await staging.verbs.ledger.claim(
        Intent(environment="staging", number=0, image="", wanted="w", fingerprint="f", holder="somebody", nonce="n"), 1
    )
    assert (await status(staging.verbs)).unfinished == (2,)


async def test_a_release_that_slipway_did_not_deploy_has_no_deployment(account, staging):
    await account.create(await account.image(), "notes-staging")
    seen = await status(staging.verbs)
    assert (seen.observed.status, seen.live, seen.newest) == ("RUNNING", None, None)


@pytest.mark.parametrize("verb", ["pause", "destroy"])
async def test_the_newest_deployment_is_shown_when_nothing_is_live(staging, verb):
    await deployed(staging)
    verbs = staging.verbs
    await (pause(verbs, staging.tell) if verb == "pause" else destroy(verbs, staging.tell, "notes-staging"))
    seen = await status(staging.verbs)
    assert (seen.live, seen.newest.verb.value, seen.readiness) == (None, verb, None)


async def test_without_access_to_the_ledger_the_rest_is_shown(staging, monkeypatch):
    digest = await deployed(staging)

    async def refused(*_):
        raise AwsRefusedError("ecr", "list_images", {"Code": "AccessDeniedException", "Message": "not yours"})

    monkeypatch.setattr(ServiceEnvironment, "history", refused)
    seen = await status(staging.verbs)
    assert (seen.observed.digest, seen.live, seen.readiness.image) == (digest, None, ("aaa",))
    assert seen.unseen.startswith("AWS refused ecr list_images with AccessDeniedException: not yours")


async def test_without_access_to_the_platform_there_is_no_status(staging, monkeypatch):
    async def refused(*_):
        raise RefusedError("no", "ask")

    monkeypatch.setattr(ServiceEnvironment, "status", refused)
    with pytest.raises(RefusedError):
        await status(staging.verbs)
