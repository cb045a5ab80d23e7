"""A rollback is one update to a recorded digest, if that release works on the live schema."""

from collections import Counter
from dataclasses import replace

import pytest

from slipway.environment.diagnosis import diagnose
from slipway.environment.redeploy import CompatibilityEvidence, plan_rollback, rollback
from slipway.errors import BadInputError, RefusedError
from slipway.records.certificate import Ternary
from slipway.records.outcome import Status, Verb
from slipway.records.plan import Action
from tests.environment.environments import certificate
from tests.environment.remembered import remember
from tests.release.deployers import EVERY_REQUEST, Kill, MortalAws, mortal
from tests.simulator.scripted import Script

pytestmark = pytest.mark.slow


async def live(place):
    return (await place.environment.status()).digest


async def deployed(place, head="aaa", known=None, **image):
    """Deploy a release that migrates the database to `head`."""
    digest = await place.image(head, **image)
    outcome = await place.migrating_to(head).deploy(digest, place.tell, known)
    assert outcome.status is Status.SUCCEEDED, outcome
    return digest


def updates(account):
    return account.cloud.requests.count("UpdateService")


async def test_a_rollback_deploys_the_release_before_in_one_update(account, staging):
    first, _second = await deployed(staging), await deployed(staging)
    before = updates(account)
    outcome = await rollback(staging.environment, staging.tell, None, CompatibilityEvidence())
    assert (outcome.status, outcome.verb, outcome.live, outcome.number) == (Status.SUCCEEDED, Verb.ROLLBACK, first, 3)
    assert updates(account) - before == 1
    assert await live(staging) == first
    assert "back to release 1" in staging.told


async def test_a_rollback_goes_to_the_number_that_is_named(staging):
    first = await deployed(staging)
    for _ in range(2):
        await deployed(staging)
    assert (await rollback(staging.environment, staging.tell, 1, CompatibilityEvidence())).live == first


async def test_a_second_rollback_does_not_go_further_back(staging):
    for _ in range(3):
        await deployed(staging)
    await rollback(staging.environment, staging.tell, None, CompatibilityEvidence())
    with pytest.raises(RefusedError, match="the last deployment, 4, was itself a rollback: name one with --to"):
        await rollback(staging.environment, staging.tell, None, CompatibilityEvidence())


async def test_a_dry_run_shows_the_change_and_changes_nothing(account, staging):
    first, _second = await deployed(staging), await deployed(staging)
    before = len(account.cloud.requests)
    plan = await plan_rollback(staging.environment, None)
    assert (plan.action, [change.name for change in plan.changes]) == (Action.UPDATE, ["image"])
    assert plan.image.endswith(first)
    assert not {"UpdateService", "PutImage"} & set(account.cloud.requests[before:])


async def test_without_its_image_a_rollback_names_what_is_possible_instead(account, staging):
    """It said "push it first", which is impossible for a digest that was deleted."""
    first, _second = await deployed(staging), await deployed(staging)
    gone = [{"imageDigest": first}]
    await account.ask("ecr", "batch_delete_image", repositoryName="notes", imageIds=gone)
    plan = await plan_rollback(staging.environment, None)
    with pytest.raises(RefusedError) as refused:
        await rollback(staging.environment, staging.tell, None, CompatibilityEvidence())
    assert plan.action is Action.BLOCKED
    for text in (plan.reason, str(refused.value)):
        assert f"has no image {first}" in text
        assert "its image was deleted: go back to another one with `slipway rollback --to NUMBER`" in text


async def test_a_dry_run_shows_a_refusal(account, staging):
    await deployed(staging, commit="a" * 40)
    await deployed(staging, "bbb", commit="b" * 40)
    before = account.cloud.requests.count("DescribeService")
    plan = await plan_rollback(staging.environment, None)
    assert plan.action is Action.BLOCKED
    assert plan.reason.startswith("going back to release 1 is not proven: no certificate covers")
    assert f"in a checkout of {'b' * 12} with `slipway gate --since {'a' * 12} --report DIR`" in plan.reason
    assert account.cloud.requests.count("DescribeService") - before == 2  # to find the release before, and for the plan
    for evidence in (
        CompatibilityEvidence(certificate("aaa", "bbb")),
        CompatibilityEvidence(reason="the shop is down"),
    ):
        assert (await plan_rollback(staging.environment, None, evidence)).action is Action.UPDATE


@pytest.mark.parametrize("how", ["in the ledger", "handed over"])
async def test_a_rollback_across_a_migration_needs_the_proof_of_the_pair(staging, how):
    first = await deployed(staging)
    proof = certificate("aaa", "bbb")
    await deployed(staging, "bbb", proof if how == "in the ledger" else None)
    evidence = CompatibilityEvidence() if how == "in the ledger" else CompatibilityEvidence(proof)
    outcome = await rollback(staging.environment, staging.tell, None, evidence)
    assert (outcome.status, outcome.live, staging.head) == (Status.SUCCEEDED, first, "bbb")


@pytest.mark.parametrize("known", [None, certificate("aaa", "bbb", Ternary.NO)])
async def test_without_that_proof_it_is_refused_and_nothing_has_changed(account, staging, known):
    await deployed(staging)
    second = await deployed(staging, "bbb", known)
    before = updates(account)
    for evidence in (None, certificate("aaa", "ccc")):
        with pytest.raises(RefusedError) as refused:
            await rollback(staging.environment, staging.tell, 1, CompatibilityEvidence(evidence))
        why, remedy = ("is not proven: ", "--without-certificate") if known is None else ("fails: ", "deploy a fix")
        assert refused.value.what.startswith(f"going back to release 1 {why}")
        assert remedy in refused.value.next_step
        assert known is None or "--without-certificate" not in refused.value.next_step
        assert (updates(account) - before, await live(staging)) == (0, second)
    assert (await staging.environment.history()).newest == 2  # a refusal takes no number


async def test_the_reason_to_go_without_certificate_is_recorded(staging):
    first = await deployed(staging)
    await deployed(staging, "bbb")
    outcome = await rollback(staging.environment, staging.tell, None, CompatibilityEvidence(reason="the shop is down"))
    assert (outcome.status, outcome.live) == (Status.SUCCEEDED, first)
    (newest, *_) = (await staging.environment.history()).releases
    assert (newest.verb, newest.risk) == (Verb.ROLLBACK, "the shop is down")
    assert sum("proceeding because: the shop is down" in line for line in staging.told) == 1


async def test_a_release_that_fails_on_a_newer_schema_is_not_told_to_run_its_migrations(account, staging):
    first = await deployed(staging)
    await deployed(staging, "bbb")
    account.backend.scripts[first] = Script(
        lines=('psycopg.errors.UndefinedTable: relation "n" does not exist',), exit_code=1
    )
    outcome = await rollback(staging.environment, staging.tell, None, CompatibilityEvidence(reason="the shop is down"))
    for diagnosis in (outcome.diagnosis, (await diagnose(staging.environment, None)).diagnosis):
        assert (outcome.status, diagnosis.rule) == (Status.ROLLED_BACK, "schema")
        assert diagnosis.remedy.startswith("the database is ahead of this release")


async def test_a_reason_is_not_recorded_when_no_proof_is_needed(staging):
    first = await deployed(staging)
    await deployed(staging)
    outcome = await rollback(staging.environment, staging.tell, None, CompatibilityEvidence(reason="to be sure"))
    assert (outcome.status, outcome.live) == (Status.SUCCEEDED, first)
    assert (await staging.environment.history()).releases[0].risk == ""


async def test_the_live_database_decides_and_not_the_ledger(staging):
    """The database was migrated by hand since."""
    await deployed(staging)
    await deployed(staging)
    staging.head = "zzz"
    with pytest.raises(RefusedError, match="of revision aaa, on a database at zzz"):
        await rollback(staging.environment, staging.tell, None, CompatibilityEvidence())


async def test_the_ledger_knows_the_schema_of_a_release_without_a_readiness_answer(staging):
    silent = await staging.image()
    await staging.migrating_to("aaa").deploy(silent, staging.tell)
    await staging.migrating_to("aaa").deploy(await staging.image(), staging.tell)
    assert (await rollback(staging.environment, staging.tell, None, CompatibilityEvidence())).live == silent


async def test_an_unknown_schema_needs_a_reason_to_go_without_certificate(staging):
    for _ in range(2):
        await staging.environment.deploy(await staging.image(), staging.tell)
    with pytest.raises(RefusedError, match="the revisions of the release and its database are unknown"):
        await rollback(staging.environment, staging.tell, None, CompatibilityEvidence())
    outcome = await rollback(
        staging.environment, staging.tell, None, CompatibilityEvidence(reason="there is no database")
    )
    assert outcome.status is Status.SUCCEEDED


async def test_a_number_that_was_never_live_is_bad_input(staging):
    await deployed(staging)
    await staging.environment.deploy(await staging.image(healthy=False), staging.tell)
    for to, message in ((2, "deployment 2 was never live"), (9, "the ledger has no deployment 9")):
        with pytest.raises(BadInputError, match=message):
            await rollback(staging.environment, staging.tell, to, CompatibilityEvidence())


async def test_a_rollback_killed_anywhere_is_resumed_to_the_same_release(staging, account):
    releases = [await deployed(staging) for _ in range(3)]
    kills = [Kill(index // 2, done=index % 2 == 0) for index in range(200)]
    for kill in kills if EVERY_REQUEST else kills[16::15]:
        environment = replace(staging.environment, connection=MortalAws(account, kill))
        with mortal() as fate:
            await rollback(environment, staging.tell, None, CompatibilityEvidence())
        if not fate.killed:
            return
        outcome = await _again(staging)
        assert outcome is None or outcome.status.exit_code == 0, (kill, outcome)
        assert await live(staging) == releases[1], kill
        await deployed(staging)
    raise AssertionError("it never ends")


async def _again(place):
    """Roll back again; None if the killed run had ended, so that a number must be named."""
    try:
        return await rollback(place.environment, place.tell, None, CompatibilityEvidence())
    except RefusedError as error:
        if "was itself a rollback" not in str(error):
            raise
        return None


async def test_a_rollback_among_many_deployments_asks_the_ledger_few_questions(staging, account):
    """Among three thousand it took 220 requests until the platform had accepted the change."""
    first = await deployed(staging)
    await remember(staging, 2999, since=2850)
    await deployed(staging)
    before = len(account.cloud.requests)
    outcome = await rollback(staging.environment, staging.tell, 1, CompatibilityEvidence())
    assert (outcome.status, outcome.live, outcome.number) == (Status.SUCCEEDED, first, 3001)
    requests = account.cloud.requests[before:]
    asked = Counter(requests[: requests.index("UpdateService")])
    assert (asked["ListImages"], asked["BatchGetImage"] < 15, asked.total() < 42) == (0, True, True), asked
