"""Pause, resume and destroy: each outcome is read from the platform, and each is idempotent."""

from dataclasses import replace

import pytest

from slipway.environment.environment import destroy, pause, resume
from slipway.errors import BadInputError, RefusedError, UnknownOutcomeError
from slipway.records.outcome import Status, Verb
from slipway.simulator.faults import Effect, Fault
from tests.environment.test_rollback import deployed, live
from tests.release.deployers import Kill, MortalAws, mortal

pytestmark = pytest.mark.slow


async def test_a_paused_service_resumes_with_its_release(staging):
    digest = await deployed(staging)
    outcome = await pause(staging.environment, staging.tell)
    assert (outcome.status, outcome.verb, outcome.live, outcome.requested) == (Status.SUCCEEDED, Verb.PAUSE, None, "")
    assert (await staging.environment.status()).status == "PAUSED"
    outcome = await resume(staging.environment, staging.tell)
    assert (outcome.status, outcome.verb, outcome.live) == (Status.SUCCEEDED, Verb.RESUME, digest)
    assert await live(staging) == digest


async def test_a_goal_already_reached_changes_nothing(account, staging):
    await deployed(staging)
    assert (await resume(staging.environment, staging.tell)).status is Status.NOOP
    await pause(staging.environment, staging.tell)
    before = len(account.cloud.requests)
    assert (await pause(staging.environment, staging.tell)).status is Status.NOOP
    assert not {"PauseService", "PutImage"} & set(account.cloud.requests[before:])


async def test_a_deployment_to_a_paused_service_is_refused_with_a_next_step(staging):
    await deployed(staging)
    await pause(staging.environment, staging.tell)
    with pytest.raises(
        RefusedError, match=r"notes-staging cannot be deployed now: the service is paused; `slipway resume`"
    ):
        await staging.environment.deploy(await staging.image(), staging.tell)


async def test_a_missing_service_can_neither_be_paused_nor_resumed(staging):
    with pytest.raises(RefusedError, match=r"notes-staging cannot be paused now: .* and there is none"):
        await pause(staging.environment, staging.tell)
    with pytest.raises(RefusedError, match=r"notes-staging cannot be resumed now: .* and there is none"):
        await resume(staging.environment, staging.tell)


async def test_a_failed_resumption_reports_its_cause(account, staging):
    digest = await deployed(staging)
    await pause(staging.environment, staging.tell)
    account.backend.scripts[digest] = type(account.backend.scripts[digest])(lines=("KeyError: 'TOKEN'",), exit_code=1)
    outcome = await resume(staging.environment, staging.tell)
    assert (outcome.status, outcome.status.exit_code) == (Status.FAILED, 1)
    assert outcome.diagnosis.rule == "missing-variable"
    assert (await staging.environment.status()).status == "PAUSED"


async def test_without_read_access_a_resumption_is_unknown(account, staging):
    """A generated story: the service had resumed, but the exit code was 1."""
    await deployed(staging)
    account.cloud.faults.add(Fault(operation="ListServices", effect=Effect.EXPIRED))
    with pytest.raises(UnknownOutcomeError, match="cannot read the live state"):
        await resume(staging.environment, staging.tell)


async def test_a_service_is_deleted_when_its_name_is_confirmed(account, staging):
    await deployed(staging)
    with pytest.raises(
        BadInputError,
        match=r"notes-staging was not deleted: deletion is permanent; confirm with --confirm notes-staging",
    ):
        await destroy(staging.environment, staging.tell, "notes")
    assert "DeleteService" not in account.cloud.requests
    outcome = await destroy(staging.environment, staging.tell, "notes-staging")
    assert (outcome.status, outcome.verb, outcome.live) == (Status.SUCCEEDED, Verb.DESTROY, None)
    assert (await staging.environment.status()).status is None
    assert (await destroy(staging.environment, staging.tell, "notes-staging")).status is Status.NOOP


async def test_a_deletion_that_the_platform_cannot_end_has_failed(account, staging):
    await deployed(staging)
    (service,) = account.cloud.app_runner.services.values()
    service.failing.add("DELETE_SERVICE")
    outcome = await destroy(staging.environment, staging.tell, "notes-staging")
    assert (outcome.status, outcome.status.exit_code) == (Status.FAILED, 1)


async def test_history_has_them_between_the_releases(staging):
    await deployed(staging)
    await pause(staging.environment, staging.tell)
    await resume(staging.environment, staging.tell)
    past = (await staging.environment.history()).releases
    assert [(found.number, found.verb) for found in past] == [(3, Verb.RESUME), (2, Verb.PAUSE), (1, Verb.DEPLOY)]
    assert not (await staging.environment.history()).unfinished


@pytest.mark.parametrize("operation", ["PauseService", "ResumeService", "DeleteService"])
@pytest.mark.parametrize("effect", [Effect.ANSWER_LOST, Effect.CALL_LOST])
async def test_a_change_without_an_answer_is_searched_for_before_it_is_sent_again(account, staging, operation, effect):
    await deployed(staging)
    if operation == "ResumeService":
        await pause(staging.environment, staging.tell)
    account.cloud.faults.add(Fault(operation=operation, effect=effect))
    change = {"PauseService": pause, "ResumeService": resume}.get(operation)
    outcome = await (
        change(staging.environment, staging.tell)
        if change
        else destroy(staging.environment, staging.tell, "notes-staging")
    )
    assert outcome.status in (Status.SUCCEEDED, Status.NOOP), outcome
    (service,) = account.cloud.app_runner.services.values()
    kinds = [found.type for found in service.operations]
    assert len(kinds) == len(set(kinds))


@pytest.mark.parametrize("index", range(4, 32, 3))
async def test_a_killed_run_is_finished_by_the_next(account, staging, index):
    await deployed(staging)
    environment = replace(staging.environment, connection=MortalAws(account, Kill(index, done=index % 2 == 0)))
    with mortal() as fate:
        await pause(environment, staging.tell)
    if fate.killed:
        outcome = await pause(staging.environment, staging.tell)
        assert outcome.status.exit_code == 0, outcome
    (service,) = account.cloud.app_runner.services.values()
    assert [found.type for found in service.operations].count("PAUSE_SERVICE") == 1
    assert service.status == "PAUSED"


async def test_without_access_to_the_tags_a_service_is_not_deleted(account, staging):
    await deployed(staging)
    account.cloud.faults.add(Fault(operation="ListTagsForResource", effect=Effect.DENIED, times=9))
    with pytest.raises(RefusedError, match="list_tags_for_resource"):
        await destroy(staging.environment, staging.tell, "notes-staging")
    assert "DeleteService" not in account.cloud.requests
