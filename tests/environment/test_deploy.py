"""A deployment: preflight, migration, release, and the record with its schema."""

from dataclasses import dataclass, replace

import pytest

from slipway.environment.environment import destroy, pause
from slipway.environment.redeploy import CompatibilityEvidence, rollback
from slipway.environment.status import status
from slipway.errors import BadInputError, RefusedError, UnknownOutcomeError
from slipway.records.ledger import Intent
from slipway.records.migration import Migration, MigrationFailedError
from slipway.records.outcome import Status
from slipway.records.plan import Action
from slipway.release.engine.goal import Live
from slipway.release.engine.ledger import nonce
from slipway.report.release import of_outcome
from tests.environment.environments import Migrating
from tests.environment.test_rollback import deployed, live
from tests.release.deployers import Kill, MortalAws, mortal
from tests.simulator.account import URI
from tests.simulator.scripted import Script

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Failing:
    """A runner that raises."""

    error: Exception
    how: str = "a test"

    async def migrate(self, _tell):
        raise self.error


def run_by(place, runner):
    async def made(_environment, _digest, _deployment):
        return runner

    return replace(place.migrating_to(""), runner=made)


async def test_the_database_is_migrated_after_the_number_is_taken_and_before_the_service_is_changed(account, staging):
    await deployed(staging)
    seen = []

    @dataclass(frozen=True)
    class Watching(Migrating):
        async def migrate(self, tell):
            seen.append((account.cloud.requests.count("PutImage"), account.cloud.requests.count("UpdateService")))
            return await super().migrate(tell)

    before = account.cloud.requests.count("PutImage"), account.cloud.requests.count("UpdateService")
    outcome = await run_by(staging, Watching(staging, "bbb")).deploy(await staging.image("bbb"), staging.tell)
    ((puts, updates),) = seen
    assert puts > before[0]
    assert updates == before[1]
    assert (outcome.status, outcome.migration.after) == (Status.SUCCEEDED, ("bbb",))


async def test_a_failed_migration_is_a_refusal_and_the_old_release_keeps_serving(account, staging):
    old = await deployed(staging)
    before = account.cloud.requests.count("UpdateService")
    stays = Migration(before=("aaa",), after=("aaa",), applied=(), attempts=1, seconds=0, failed=True)
    refuses = Failing(
        MigrationFailedError("the migration failed at 0007_x.py:12", "duplicate key", "correct it", stays)
    )
    outcome = await run_by(staging, refuses).deploy(await staging.image("bbb"), staging.tell)
    assert (outcome.status, outcome.status.exit_code) == (Status.REFUSED, 1)
    assert outcome.diagnosis.cause == "the migration failed at 0007_x.py:12: duplicate key"
    assert "  database:  stays at aaa\n" in of_outcome(outcome)
    assert (await live(staging), account.cloud.requests.count("UpdateService")) == (old, before)
    (newest, *_) = (await staging.environment.history()).releases
    assert newest.cause == "the migration failed at 0007_x.py:12: …"
    assert (newest.number, newest.status, newest.heads, newest.database) == (2, Status.REFUSED, None, ("aaa",))


async def test_a_lost_migration_is_unknown_and_the_next_run_resumes_its_number(staging):
    await deployed(staging)
    digest = await staging.image("bbb")
    lost = Failing(UnknownOutcomeError("the task goes on, but cannot be followed", "run the same command again"))
    outcome = await run_by(staging, lost).deploy(digest, staging.tell)
    assert (outcome.status, outcome.number) == (Status.UNKNOWN, 2)
    outcome = await staging.migrating_to("bbb").deploy(digest, staging.tell)
    assert (outcome.status, outcome.number) == (Status.SUCCEEDED, 2)


async def test_the_ledger_knows_the_schema_after_the_platform_rolled_back(staging):
    old = await deployed(staging)
    outcome = await staging.migrating_to("bbb").deploy(await staging.image("bbb", healthy=False), staging.tell)
    assert (outcome.status, outcome.live, outcome.migration.applied) == (Status.ROLLED_BACK, old, ("bbb",))
    (newest, first) = (await staging.environment.history()).releases
    assert (newest.database, first.database, first.heads) == (("bbb",), ("aaa",), ("aaa",))


async def test_a_preflight_refusal_leaves_nothing_behind(account, staging):
    digest = await account.image(architecture="arm64")
    before = len(account.cloud.requests)
    with pytest.raises(RefusedError, match="arm64"):
        await staging.environment.deploy(digest, staging.tell)
    assert not {"PutImage", "CreateService"} & set(account.cloud.requests[before:])
    assert (await staging.environment.history()).unfinished == ()


async def test_unchecked_parts_are_reported_as_not_covered(staging):
    await deployed(staging)
    assert any(line.startswith("not covered: quotas") for line in staging.told)


async def test_a_service_created_by_something_else_is_never_changed(account, staging):
    await account.create(await account.image(), name="notes-staging")
    before = len(account.cloud.requests)
    digest = await account.image()
    plan = await staging.environment.plan(digest)
    assert (plan.action, "aws apprunner tag-resource" in plan.reason) == (Action.BLOCKED, True)
    for change in (
        staging.environment.deploy(digest, staging.tell),
        pause(staging.environment, staging.tell),
        destroy(staging.environment, staging.tell, "notes-staging"),
    ):
        with pytest.raises(RefusedError, match="notes-staging was not made by slipway"):
            await change
    changed = {"UpdateService", "PauseService", "DeleteService"} & set(account.cloud.requests[before:])
    assert not changed


@pytest.mark.parametrize("image", [f"{URI}:latest", "notes:1"])
async def test_a_tag_is_no_digest(staging, image):
    with pytest.raises(BadInputError):
        staging.environment.digest_of(image)


async def test_an_image_of_another_repository_is_not_deployed(staging):
    with pytest.raises(BadInputError, match="the image is in somewhere/else, and this environment deploys from"):
        staging.environment.digest_of("somewhere/else@sha256:" + "1" * 64)


async def test_a_run_killed_after_its_migration_has_recorded_it_for_the_next_run(account, staging):
    old = await deployed(staging)
    digest = await staging.image("bbb", healthy=False)
    aws = MortalAws(account, Kill(0, done=True, of="update_service"))
    environment = replace(staging.migrating_to("bbb"), connection=aws)
    with mortal() as fate:
        await environment.deploy(digest, staging.tell)
    assert fate.killed
    assert (await staging.environment.ledger.last_migration())[1].after == ("bbb",)
    outcome = await staging.migrating_to("bbb").deploy(digest, staging.tell)
    assert (outcome.status, outcome.live, outcome.migration.after) == (Status.ROLLED_BACK, old, ("bbb",))
    assert (await staging.environment.history()).releases[0].database == ("bbb",)


async def test_a_migration_counts_even_if_its_deployment_never_ended(account, staging):
    """Otherwise a rollback would assume the old schema."""
    await staging.migrating_to("aaa").deploy(await staging.image(), staging.tell)
    await staging.migrating_to("aaa").deploy(await staging.image(), staging.tell)
    aws = MortalAws(account, Kill(0, done=False, of="update_service"))
    environment = replace(staging.migrating_to("bbb"), connection=aws)
    with mortal():
        await environment.deploy(await staging.image(), staging.tell)
    with pytest.raises(RefusedError, match="of revision aaa, on a database at bbb"):
        await rollback(staging.environment, staging.tell, 1, CompatibilityEvidence())


async def test_a_run_superseded_before_its_migration_does_not_migrate(staging):
    await deployed(staging)

    async def overtaken(_observed):
        newer = Intent(
            environment="staging",
            number=0,
            image="",
            wanted="another goal",
            fingerprint="",
            holder="ci",
            nonce=nonce(),
        )
        await staging.environment.ledger.claim(newer, 2)

    environment = staging.migrating_to("bbb")
    goal = Live(spec=environment.spec(await staging.image("bbb")))
    outcome = await environment.release(goal, environment.engine(staging.tell, overtaken))
    assert (outcome.status, staging.head) == (Status.SUPERSEDED, "aaa")


async def test_a_release_that_does_not_answer_is_no_success_and_neither_is_finding_it_live_already(staging, account):
    """Its health check is answered, which is enough for the platform; without a redeployment it exited 0."""
    first, script = await staging.image("aaa"), Script(silent="/front")
    await staging.environment.deploy(first, staging.tell)
    digest = await account.image(script)
    outcome = await staging.environment.deploy(digest, staging.tell)
    assert (outcome.status, outcome.status.exit_code, outcome.live) == (Status.UNANSWERED, 1, digest)
    assert outcome.diagnosis.cause == "staging answers /front with 503"
    assert "`slipway rollback --environment staging` goes back to release 1" in outcome.diagnosis.remedy
    changes = account.cloud.requests.count("UpdateService")
    assert (await staging.environment.deploy(digest, staging.tell)).status is Status.UNANSWERED
    script.silent = None
    assert (await staging.environment.deploy(digest, staging.tell)).status is Status.NOOP
    assert account.cloud.requests.count("UpdateService") == changes
    seen = await status(staging.environment)
    assert (seen.live.number, seen.live.status, seen.unanswered) == (2, Status.UNANSWERED, "")
    script.silent = "/healthz"
    assert (await status(staging.environment)).unanswered == "staging answers /healthz with 503"
    back = await rollback(staging.environment, staging.tell, None, CompatibilityEvidence(reason="it is down"))
    assert (back.status, back.live) == (Status.SUCCEEDED, first)
    script.silent = None
    again = await rollback(staging.environment, staging.tell, 2, CompatibilityEvidence(reason="it is mended"))
    assert (again.status, again.live) == (Status.SUCCEEDED, digest)
