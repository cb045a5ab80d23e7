"""Every command on ECS Express Mode, from the commit to the deleted service; the oracle is the simulated account."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from slipway.environment.diagnosis import diagnose
from slipway.environment.environment import abort, destroy, pause
from slipway.environment.redeploy import CompatibilityEvidence, plan_rollback, rollback
from slipway.environment.status import status
from slipway.errors import BadInputError, RefusedError, UnknownOutcomeError
from slipway.records.outcome import Status
from slipway.records.plan import Action, State
from slipway.release.targets.ecs_express.target import NO_PAUSE
from slipway.report.answers.service import of_situation
from slipway.simulator.faults import Effect, Fault
from tests.environment.express import BRISK, SETTINGS, Staging, rewritten, staging
from tests.release.direct import opened
from tests.simulator.express import Notes, trust
from tests.simulator.scripted import Script


@asynccontextmanager
async def slow_canary(*paths: str) -> AsyncIterator[Staging]:
    """A service whose canary lasts long enough for requests of these paths."""
    async with opened() as account:
        trust(account)
        account.cloud.ecs.express.pace = replace(BRISK, canary=120, bake=60)
        yield Staging(account, SETTINGS.replace('"/healthz"\n', f'"/healthz"\nsmoke-paths = {json.dumps(paths)}\n'))


OWNED = {"key": "slipway:environment", "value": "staging"}
UNPROVEN = CompatibilityEvidence(None, "a story")


@pytest.mark.slow
async def test_every_command_tells_the_truth_from_the_creation_to_the_deletion():
    async with staging() as there:
        first, second, bad = [await there.account.image(Script(healthy=healthy)) for healthy in (True, True, False)]
        plan = await there.environment.plan(first)
        assert (plan.action, "38.36 $ a month" in plan.notes[-1]) == (Action.CREATE, True)

        created = await there.run(there.environment.deploy(first, there.tell))
        assert (created.outcome.status, created.outcome.live) == (Status.SUCCEEDED, first)
        assert created.changes == ["CreateExpressGatewayService", "ModifyTargetGroup", "ModifyTargetGroup"]
        again = await there.run(there.environment.deploy(first, there.tell))
        of_ledger = again.requests.count("BatchGetImage")
        assert (again.outcome.status, again.changes, len(again.requests), of_ledger) == (Status.NOOP, [], 5, 1)
        await drifts(there, first)

        updated = await there.run(there.environment.deploy(second, there.tell))
        assert (updated.outcome.status, updated.changes) == (Status.SUCCEEDED, ["UpdateExpressGatewayService"])
        assert "IN_PROGRESS PRODUCTION_TRAFFIC_SHIFT: 5 % of the traffic, 2 of 2 tasks" in updated.told
        assert updated.late <= 5

        refused = await there.run(there.environment.deploy(bad, there.tell))
        assert (refused.outcome.status.exit_code, refused.outcome.status) == (1, Status.ROLLED_BACK)
        assert refused.outcome.live == second
        assert (await diagnose(there.environment, None)).diagnosis == refused.outcome.diagnosis
        await is_aborted(there, second)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(is_shown_in_the_clean_up, there, first)
            back = await there.run(rollback(there.environment, there.tell, 1, UNPROVEN))
        assert (back.outcome.status, back.outcome.live) == (Status.SUCCEEDED, first)
        gone = await there.run(destroy(there.environment, there.tell, "notes"))
        assert (gone.outcome.status, gone.changes) == (Status.SUCCEEDED, ["DeleteExpressGatewayService"])
        assert (await status(there.environment)).observed.state is State.ABSENT


@pytest.mark.slow
async def test_a_release_whose_task_cannot_be_placed_ends_early_with_the_reason_and_continues_when_it_can():
    async with staging() as there:
        await there.run(there.environment.deploy(await there.account.image(), there.tell))
        image, quotas = await there.account.image(), there.account.cloud.quotas
        enough = quotas.vcpus

        async def fill() -> None:
            while len(there.service.deployments) == 1:
                await there.account.cloud.clock.sleep(0.5)
            quotas.vcpus = 0.25

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fill)
            stuck = await there.run(there.environment.deploy(image, there.tell))
        assert (stuck.outcome.status, stuck.outcome.seconds < 300) == (Status.UNKNOWN, True)
        assert "ECS places no task: You've reached the limit on the number of vCPUs" in stuck.outcome.diagnosis.cause
        assert "slipway abort" in stuck.outcome.diagnosis.remedy
        quotas.vcpus = enough
        resumed = await there.run(there.environment.deploy(image, there.tell))
        assert (resumed.outcome.status, resumed.outcome.live) == (Status.SUCCEEDED, image)
        assert len(there.service.deployments) == 2


async def drifts(there: Staging, live: str) -> None:
    """Drift is a field of the plan; target groups get their pace again without a deployment."""
    groups = there.account.cloud.ecs.express.resources.balancing.groups.values()
    for group in groups:
        group.interval, group.path, group.matcher = 30, "/other", "200-499"
    (change,) = (await there.environment.plan(live)).changes
    drifted = "every 30 s, 2 s long, 2 up, 2 down, at /other, for 200-499"
    assert (change.name, change.before) == ("load balancer's check", drifted)
    tuned = await there.run(there.environment.deploy(live, there.tell))
    assert tuned.outcome.status is Status.SUCCEEDED
    assert (tuned.changes, len(there.service.deployments)) == (["ModifyTargetGroup"] * 2, 1)
    assert {(group.interval, group.path, group.matcher) for group in groups} == {(5, "/healthz", "200")}
    assert not (await there.environment.plan(live)).changes

    there.settings = rewritten(**{"infrastructure-role": '"arn:aws:iam::123456789012:role/another"'})
    assert "cannot change the infrastructure role" in (await there.environment.plan(live)).reason
    there.settings = rewritten(**{"security-groups": "[]", "subnets": "[]"})
    assert [change.name for change in (await there.environment.plan(live)).changes] == ["security groups"]
    there.settings = rewritten(scaling="{ least = 2, most = 3 }")
    (change,) = (await there.environment.plan(live)).changes
    assert (change.name, change.after) == ("scaling", "2 to 3 tasks by AVERAGE_CPU 60")
    there.settings = SETTINGS
    notes = Notes(there.account)
    scaled = (await notes.described())["activeConfigurations"][0]["scalingTarget"] | {"minTaskCount": 2}
    by_hand = await notes.ask("update_express_gateway_service", serviceArn=notes.arn, scalingTarget=scaled)
    assert by_hand["service"]["targetConfiguration"]["scalingTarget"] == scaled
    await notes.ended(await notes.newest())
    (change,) = (await there.environment.plan(live)).changes
    assert (change.name, change.before) == ("scaling", "2 to 20 tasks by AVERAGE_CPU 60")
    with pytest.raises(BadInputError) as impossible:
        await pause(there.environment, there.tell)
    assert impossible.value.next_step == NO_PAUSE


async def is_shown_in_the_clean_up(there: Staging, new: str) -> None:
    """While ECS stops the tasks of the release before, the new one serves: it was "digest: none is live" for seconds."""
    await there.until("CLEAN_UP")
    shown = of_situation(await status(there.environment)).text
    assert f"digest:     {new} with 100 % of the traffic\n" in shown
    assert "in flight:  IN_PROGRESS CLEAN_UP" in shown


async def is_aborted(there: Staging, old: str) -> None:
    """An abort takes the canary back, and both commands say so."""
    with pytest.raises(RefusedError, match="no deployment of notes is in flight"):
        await abort(there.environment, there.tell)
    new, outcomes = await there.account.image(), {}

    async def deploy() -> None:
        outcomes["deploy"] = await there.environment.deploy(new, there.tell)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(deploy)
        deployment = await there.until("PRODUCTION_TRAFFIC_SHIFT")
        found = await status(there.environment)
        assert "5 % of the traffic" in found.observed.operation
        assert (found.observed.digest, found.observed.shares) == (None, {old: 95, new: 5})
        assert (found.live and found.live.image.partition("@")[2], found.asked) == (old, ("/healthz",))
        assert f"digest:     {old} with 95 % of the traffic, {new} with 5 % of the traffic" in of_situation(found).text
        assert found.instances == "4 running, 2 desired"
        outcomes["abort"] = await abort(there.environment, there.tell)
    assert (outcomes["abort"].status, outcomes["abort"].live) == (Status.SUCCEEDED, old)
    assert (outcomes["deploy"].status, outcomes["deploy"].live) == (Status.ABORTED, old)
    assert (outcomes["deploy"].status.exit_code, outcomes["deploy"].diagnosis.rule) == (4, "aborted")
    diagnosed = await diagnose(there.environment, None)
    assert (diagnosed.ending, diagnosed.exit_code) == ("aborted", 4)
    assert deployment.status == "ROLLBACK_SUCCESSFUL"


@pytest.mark.slow
async def test_a_canary_gets_requests_when_no_user_sends_any_so_that_the_alarm_can_go_off():
    """Each request of /front failed, and the release reached everyone at night."""
    async with slow_canary("/front") as there:
        first, bad = await there.account.image(), await there.account.image(Script(silent="/front"))
        await there.environment.deploy(first, there.tell)
        refused = await there.run(there.environment.deploy(bad, there.tell))
        assert (refused.outcome.status, refused.outcome.live) == (Status.ROLLED_BACK, first)
        assert "requesting /front during the canary" in " ".join(refused.told)
        assert "requests during the canary failed: staging answers /front with 503" in " ".join(refused.told)
        assert refused.outcome.diagnosis.rule.startswith("alarm")


@pytest.mark.slow
async def test_a_live_release_that_the_migration_broke_is_named_when_its_errors_roll_the_new_release_back():
    """The cause was looked for in the new release, which worked, and the way out led to the same rollback again."""
    async with slow_canary("/front") as there:
        said = {"image_head": "aaa", "database_head": "aaa"}
        old = Script(says=lambda: json.dumps(said))
        first, new = await there.account.image(old), await there.account.image(Script(silent="/front"))
        await there.environment.deploy(first, there.tell)
        outcomes = []

        async def deploy() -> None:
            outcomes.append(await there.environment.deploy(new, there.tell))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(deploy)
            await there.until("PRODUCTION_TRAFFIC_SHIFT")
            said["database_head"], old.silent = "bbb", "/front"
        found = await diagnose(there.environment, None)
    cause = "the live release does not work since the migration from aaa to bbb, and its errors set off the alarm"
    (outcome,) = outcomes
    assert (outcome.status, outcome.live, outcome.way_out) == (Status.ROLLED_BACK, first, "")
    for diagnosis in (outcome.diagnosis, found.diagnosis):
        assert diagnosis.cause.startswith(cause)
        assert "one that gives the live release its schema back" in diagnosis.remedy
    assert (found.answer.problem, found.way_out) == ("staging answers /front with 503", "")


@pytest.mark.slow
async def test_a_canary_requests_no_path_that_the_release_before_does_not_answer_for_its_errors_would_take_the_correction_back():
    async with slow_canary("/healthz", "/front") as there:
        broken, mended = await there.account.image(), await there.account.image()
        await there.environment.deploy(broken, there.tell)
        there.account.backend.scripts[broken].silent = "/front"
        done = await there.run(there.environment.deploy(mended, there.tell))
        assert (done.outcome.status, done.outcome.live) == (Status.SUCCEEDED, mended)
        said = "requesting /healthz during the canary; not /front, which the release before does not answer either"
        assert said in " ".join(done.told)


@pytest.mark.slow
async def test_a_rollback_during_a_canary_takes_it_back_and_lets_no_bad_release_reach_everyone():
    async with staging() as there:
        first, bad, outcomes = await there.account.image(), await there.account.image(), {}
        await there.environment.deploy(first, there.tell)

        async def deploy() -> None:
            outcomes["deploy"] = await there.environment.deploy(bad, there.tell)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(deploy)
            deployment = await there.until("PRODUCTION_TRAFFIC_SHIFT")
            plan = await plan_rollback(there.environment, None)
            assert (plan.action, plan.notes[-1][:26]) == (Action.UPDATE, "deployment 2 is in flight:")
            for way in (plan_rollback(there.environment, None, image_only=True), rollback(there.environment, there.tell, None, CompatibilityEvidence(), image_only=True)):  # fmt: skip
                with pytest.raises(
                    BadInputError, match="deployment 2 is in flight, and the platform takes back its settings"
                ):
                    await way
            outcomes["rollback"] = await rollback(there.environment, there.tell, None, CompatibilityEvidence())
        assert (outcomes["rollback"].status, outcomes["rollback"].live) == (Status.SUCCEEDED, first)
        assert (outcomes["deploy"].status, deployment.status) == (Status.ABORTED, "ROLLBACK_SUCCESSFUL")


async def test_an_abort_ends_the_deployment_of_a_killed_run_so_that_the_next_one_starts_at_once():
    async with staging() as there:
        old, new = await there.account.image(), await there.account.image()
        await there.environment.deploy(old, there.tell)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(there.environment.deploy, new, there.tell)
            await there.until("PRODUCTION_TRAFFIC_SHIFT")
            tasks.cancel_scope.cancel()
        for operation in (
            "ListServices",
            "DescribeServices",
            "ListServiceDeployments",
            "DescribeExpressGatewayService",
        ):
            there.account.cloud.faults.add(Fault(operation=operation, effect=Effect.UNAVAILABLE, times=99))
        with pytest.raises(
            UnknownOutcomeError, match=r"whether a deployment of .* is in flight is unknown, and one that is"
        ):
            await abort(there.environment, there.tell)  # it said that nothing needs to be undone
        there.account.cloud.faults.clear()
        assert (await abort(there.environment, there.tell)).live == old
        newest, *_ = (await there.environment.history()).releases
        assert (newest.number, newest.status) == (2, Status.ABORTED)
        assert (await there.environment.deploy(new, there.tell)).status is Status.SUCCEEDED


async def test_a_deployment_of_a_service_that_something_else_made_is_not_taken_back():
    async with staging() as there:
        notes = Notes(there.account)
        deployment = await notes.create(await there.account.image())
        with pytest.raises(RefusedError, match="was not made by slipway"):
            await abort(there.environment, there.tell)
        assert "StopServiceDeployment" not in there.account.cloud.requests
        assert deployment == await notes.newest()


@pytest.mark.slow
async def test_a_deletion_is_not_taken_back():
    async with staging() as there:
        notes = await Notes(there.account).created(await there.account.image(), tags=[OWNED])
        await notes.ask("delete_express_gateway_service", serviceArn=notes.arn)
        with pytest.raises(RefusedError, match="notes is being deleted, which cannot be undone"):
            await abort(there.environment, there.tell)
