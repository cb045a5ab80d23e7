"""A promotion deploys the live release of another environment, if the release there works on the new schema."""

import pytest

from slipway.environment.redeploy import CompatibilityEvidence, plan_promotion, promote
from slipway.errors import BadInputError, RefusedError
from slipway.records.certificate import Ternary
from slipway.records.outcome import Status, Verb
from slipway.records.plan import Action
from tests.environment.environments import certificate
from tests.environment.test_rollback import deployed, live

pytestmark = pytest.mark.slow


async def test_the_live_digest_of_staging_is_deployed_to_production(account, staging, production):
    digest = await deployed(staging)
    outcome = await promote(staging.environment, production.environment, production.tell)
    assert (outcome.status, outcome.verb, outcome.live) == (Status.SUCCEEDED, Verb.PROMOTE, digest)
    assert await live(production) == digest


async def test_only_a_live_and_healthy_release_is_promoted(staging, production):
    with pytest.raises(RefusedError, match="nothing that could be promoted is live in staging"):
        await promote(staging.environment, production.environment, production.tell)
    await staging.environment.deploy(await staging.image(healthy=False), staging.tell)
    with pytest.raises(RefusedError, match="its state is CREATE_FAILED"):
        await plan_promotion(staging.environment, production.environment)


@pytest.mark.parametrize("where", ["staging's ledger", "handed over"])
async def test_with_the_proof_of_the_pair_the_database_is_migrated_and_the_release_follows(staging, production, where):
    await deployed(production)
    proof = certificate("aaa", "bbb")
    digest = await deployed(staging, "bbb", proof if where == "staging's ledger" else None)
    evidence = CompatibilityEvidence(proof if where == "handed over" else None)
    outcome = await promote(staging.environment, production.migrating_to("bbb"), production.tell, evidence)
    assert (outcome.status, outcome.live, production.head) == (Status.SUCCEEDED, digest, "bbb")
    assert outcome.migration.applied == ("bbb",)


@pytest.mark.parametrize("proof", [None, certificate("aaa", "bbb", Ternary.UNKNOWN)])
async def test_without_that_proof_neither_database_nor_service_is_changed(account, staging, production, proof):
    old = await deployed(production)
    await deployed(staging, "bbb", proof)
    before = account.cloud.requests.count("UpdateService")
    for known in (None, certificate("bbb", "ccc")):
        evidence = CompatibilityEvidence(known)
        with pytest.raises(RefusedError, match="the promotion from staging to production is not proven"):
            await promote(staging.environment, production.migrating_to("bbb"), production.tell, evidence)
        assert (account.cloud.requests.count("UpdateService"), production.head) == (before, "aaa")
        assert await live(production) == old


async def test_a_dry_run_shows_a_refusal(staging, production):
    await deployed(production)
    await deployed(staging, "bbb")
    plan = await plan_promotion(staging.environment, production.environment)
    assert (plan.action, "not proven" in plan.reason) == (Action.BLOCKED, True)
    proven = await plan_promotion(
        staging.environment, production.environment, CompatibilityEvidence(certificate("aaa", "bbb"))
    )
    assert proven.action is Action.UPDATE


async def test_an_environment_is_not_promoted_to_itself(staging):
    await deployed(staging)
    with pytest.raises(BadInputError, match="staging cannot be promoted to itself"):
        await promote(staging.environment, staging.environment, staging.tell)


async def test_a_promotion_to_an_empty_environment_needs_no_proof(staging, production):
    digest = await deployed(staging, "bbb")
    outcome = await promote(staging.environment, production.migrating_to("bbb"), production.tell)
    assert (outcome.status, outcome.live) == (Status.SUCCEEDED, digest)


async def test_the_proof_that_promoted_it_can_take_it_back(staging, production):
    from slipway.environment.redeploy import rollback

    old = await deployed(production)
    await deployed(staging, "bbb")
    await promote(
        staging.environment,
        production.migrating_to("bbb"),
        production.tell,
        CompatibilityEvidence(certificate("aaa", "bbb")),
    )
    outcome = await rollback(production.environment, production.tell, None, CompatibilityEvidence())
    assert (outcome.status, outcome.live, production.head) == (Status.SUCCEEDED, old, "bbb")
