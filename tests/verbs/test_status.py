"""One answer: what is live, which deployment brought it, what came after, and what the release says of itself."""

import pytest

from slipway.environment.environment import Environment
from slipway.environment.evidence import CompatibilityEvidence
from slipway.environment.lifecycle import destroy, pause
from slipway.environment.rollback import rollback
from slipway.environment.status import status
from slipway.errors import RefusedError
from slipway.records.ledger import Intent
from slipway.records.migration import Readiness
from slipway.records.outcome import Status, Verb
from slipway.release.errors import AwsRefusedError
from tests.verbs.test_rollback import deployed


async def test_where_nothing_was_ever_deployed_nothing_is_said(staging):
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


async def test_what_has_not_ended_is_named(staging):
    await deployed(staging)
    await staging.verbs.ledger.claim(
        Intent(environment="staging", number=0, image="", wanted="w", fingerprint="f", holder="somebody", nonce="n"), 1
    )
    assert (await status(staging.verbs)).unfinished == (2,)


async def test_what_slipway_did_not_bring_has_no_deployment(account, staging):
    await account.create(await account.image(), "notes-staging")
    seen = await status(staging.verbs)
    assert (seen.observed.status, seen.live, seen.newest) == ("RUNNING", None, None)


@pytest.mark.parametrize("verb", ["pause", "destroy"])
async def test_of_what_is_not_live_any_more_the_newest_deployment_tells(staging, verb):
    await deployed(staging)
    verbs = staging.verbs
    await (pause(verbs, staging.tell) if verb == "pause" else destroy(verbs, staging.tell, "notes-staging"))
    seen = await status(staging.verbs)
    assert (seen.live, seen.newest.verb.value, seen.readiness) == (None, verb, None)


async def test_who_may_not_read_the_ledger_learns_the_rest(staging, monkeypatch):
    digest = await deployed(staging)

    async def refused(*_):
        raise AwsRefusedError("ecr", "list_images", {"Code": "AccessDeniedException", "Message": "not yours"})

    monkeypatch.setattr(Environment, "history", refused)
    seen = await status(staging.verbs)
    assert (seen.observed.digest, seen.live, seen.readiness.image) == (digest, None, ("aaa",))
    assert seen.unseen.startswith("AWS refused ecr list_images with AccessDeniedException: not yours")


async def test_whom_the_platform_does_not_let_in_gets_no_answer(staging, monkeypatch):
    async def refused(*_):
        raise RefusedError("no", "ask")

    monkeypatch.setattr(Environment, "status", refused)
    with pytest.raises(RefusedError):
        await status(staging.verbs)
