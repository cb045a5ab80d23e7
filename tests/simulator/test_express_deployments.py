"""Express Mode's deployments on the platform's clock: canary, alarm, circuit breaker, health, and the ways back."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from botocore.exceptions import ClientError

from tests.release.direct import opened
from tests.simulator.account import Account
from tests.simulator.express import Notes, trust
from tests.simulator.scripted import Script

SICK = Script(healthy=False)


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    async with opened() as account:
        trust(account)
        yield account


def seconds(deployment: dict[str, Any]) -> float:
    return (deployment["finishedAt"] - deployment["createdAt"]).total_seconds()


@pytest.mark.slow
async def test_an_update_runs_beside_the_old_release_and_takes_over_in_two_steps(account):
    old, new = await account.image(), await account.image()
    notes = await Notes(account).created(old)
    arn = await notes.update(new, healthCheckPath="/ready")
    assert (await notes.described())["currentDeployment"] == arn
    canary = await notes.until(arn, "PRODUCTION_TRAFFIC_SHIFT", 5)
    assert [each["requestedProductionTrafficWeight"] for each in canary["sourceServiceRevisions"]] == [95]
    assert len((await notes.described())["activeConfigurations"]) == 2
    assert await notes.answers(20) == {old: 19, new: 1}
    assert sorted(account.backend.running) == sorted([old, new])
    groups = (await account.ask("elbv2", "describe_target_groups", TargetGroupArns=await notes.groups()))[
        "TargetGroups"
    ]
    assert [group["HealthCheckPath"] for group in groups] == ["/healthz", "/ready"]
    await notes.until(arn, "BAKE_TIME", 100)
    assert await notes.answers(3) == {new: 3}
    assert sorted(account.backend.running) == sorted([old, new])
    ended = await notes.ended(arn)
    assert (ended["status"], len((await notes.described())["activeConfigurations"])) == ("SUCCESSFUL", 1)
    assert "currentDeployment" not in await notes.described()
    assert account.backend.running == [new]
    assert 540 <= seconds(ended) <= 660  # 9 to 10 minutes


@pytest.mark.slow
async def test_tuned_checks_shift_traffic_early_and_a_newer_update_or_a_person_takes_it_back_at_once(account):
    old, second, third = [await account.image() for _ in range(3)]
    notes = await Notes(account).created(old)
    for group in await notes.groups():
        settings = {"HealthCheckIntervalSeconds": 5, "HealthyThresholdCount": 2}
        await account.ask("elbv2", "modify_target_group", TargetGroupArn=group, **settings)
    first = await notes.update(second)
    canary = await notes.until(first, "PRODUCTION_TRAFFIC_SHIFT", 5)
    assert (account.cloud.clock.now() - canary["createdAt"]).total_seconds() <= 60  # without tuning it takes 185
    newer = await notes.update(third)
    assert (await notes.deployment(first))["status"] == "STOP_REQUESTED"
    assert (await notes.deployment(newer))["status"] == "PENDING"
    assert (await notes.ended(first))["status"] == "STOPPED"
    await notes.until(newer, "PRODUCTION_TRAFFIC_SHIFT", 5)
    await notes.ask("stop_service_deployment", serviceDeploymentArn=newer, stopType="ROLLBACK")
    assert (await notes.deployment(newer))["status"] == "ROLLBACK_REQUESTED"
    await account.cloud.clock.sleep(1)
    assert await notes.answers(20) == {old: 20}
    ended = await notes.ended(newer)
    assert ended["status"] == "ROLLBACK_SUCCESSFUL"
    assert ended["rollback"]["serviceRevisionArn"] == ended["sourceServiceRevisions"][0]["arn"]
    assert account.backend.running == [old]


@pytest.mark.slow
async def test_errors_at_the_front_set_off_the_alarm_and_only_the_old_release_is_left(account):
    old, new = await account.image(), await account.image(Script(silent="/broken"))
    notes = await Notes(account).created(old)
    arn = await notes.update(new)
    await notes.until(arn, "PRODUCTION_TRAFFIC_SHIFT", 5)
    while "rollback" not in (deployment := await notes.deployment(arn)):
        await notes.answers(20, "/broken")
        await account.cloud.clock.sleep(60)
    assert deployment["status"].startswith("ROLLBACK_")
    assert await notes.answers(3) == {old: 3}
    ended = await notes.ended(arn)
    assert ended["status"] == "ROLLBACK_SUCCESSFUL"
    assert ended["statusReason"].startswith("Service deployment rolled back because of the following alarm(s)")
    assert ended["alarms"] == {
        "status": "TRIGGERED",
        "alarmNames": ["default/notes/RollbackAlarm"],
        "triggeredAlarmNames": ["default/notes/RollbackAlarm"],
    }
    (alarm,) = (await account.ask("cloudwatch", "describe_alarms", AlarmNames=["default/notes/RollbackAlarm"]))[
        "MetricAlarms"
    ]
    assert (alarm["StateValue"], alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == ("ALARM", 2, 3)
    assert (await notes.described())["activeConfigurations"][0]["primaryContainer"]["image"].endswith(old)
    assert account.backend.running == [old]


async def test_of_two_creations_at_once_one_makes_the_service(account):
    digest, outcomes = await account.image(), []

    async def create() -> None:
        try:
            await Notes(account).create(digest)
            outcomes.append("created")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Message"])

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(create)
    assert sorted(outcomes) == ["Creation of service was not idempotent.", "created"]


async def test_three_failed_starts_trip_the_circuit_breaker(account):
    old = await account.image()
    notes = await Notes(account).created(old)
    arn = await notes.update(await account.image(Script(lines=("KeyError: 'URL'",), exit_code=1)))
    ended = await notes.ended(arn)
    assert ended["status"] == "ROLLBACK_SUCCESSFUL"
    assert ended["statusReason"] == "Service deployment rolled back because the circuit breaker threshold was exceeded."
    assert ended["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    listed = await notes.ask("list_tasks", serviceName="notes", desiredStatus="STOPPED")
    tasks = (await notes.ask("describe_tasks", tasks=listed["taskArns"]))["tasks"]
    assert [task["stoppedReason"] for task in tasks] == ["Essential container in task exited"] * 3
    assert {task["startedBy"] for task in tasks} == {f"ecs-svc/{arn.rpartition('/')[2]}"}
    group = (await notes.revision())["ecsManagedResources"]["logGroups"][0]["logGroupName"]
    events = (await account.ask("logs", "filter_log_events", logGroupName=group))["events"]
    assert [event["message"] for event in events] == ["KeyError: 'URL'"] * 3
    assert events[0]["logStreamName"] == f"ecs/Main/{tasks[0]['taskArn'].rpartition('/')[2]}"
    assert await notes.answers(5) == {old: 5}


@pytest.mark.slow
async def test_a_release_that_is_never_healthy_goes_back_after_grace_and_two_checks_for_each_task(account):
    notes = await Notes(account).created(await account.image())
    arn = await notes.update(await account.image(SICK))
    ended = await notes.ended(arn)
    assert ended["status"] == "ROLLBACK_SUCCESSFUL"
    assert 3 * (300 + 30) <= seconds(ended) <= 3 * (300 + 90) + 120
    (service,) = (await notes.ask("describe_services", services=["notes"]))["services"]
    messages = [event["message"] for event in service["events"]]
    assert any("due to (reason Health checks failed with these codes: [503])." in message for message in messages)
    assert messages[0] == "(service notes) has reached a steady state."
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"  # although it was rolled back


@pytest.mark.slow
async def test_without_the_breaker_a_sick_release_stays_in_progress_until_a_person_stops_it(account):
    account.cloud.ecs.express.readings.breaker = False
    notes = await Notes(account).created(await account.image())
    arn = await notes.update(await account.image(Script(exit_code=1)))
    for _ in range(12):
        await account.cloud.clock.sleep(60)
    deployment = await notes.deployment(arn)
    assert (deployment["status"], deployment["lifecycleStage"]) == ("IN_PROGRESS", "SCALE_UP")
    assert deployment["deploymentCircuitBreaker"]["status"] == "DISABLED"
    await notes.ask("stop_service_deployment", serviceDeploymentArn=arn, stopType="ROLLBACK")
    assert (await notes.ended(arn))["status"] == "ROLLBACK_SUCCESSFUL"


@pytest.mark.parametrize("reverts", [True, False])
async def test_a_first_deployment_has_nothing_to_go_back_to(account, reverts):
    account.cloud.ecs.express.readings.creation_reverts = reverts
    notes = Notes(account)
    arn = await notes.create(await account.image(Script(exit_code=1)))
    for _ in range(30):
        await account.cloud.clock.sleep(60)
    deployment = await notes.deployment(arn)
    reason = "No rollback candidate was found to run the rollback." if reverts else None
    status = "ROLLBACK_FAILED" if reverts else "IN_PROGRESS"
    assert (deployment["status"], deployment.get("statusReason")) == (status, reason)
    assert (await notes.described())["status"]["statusCode"] == "ACTIVE"
    assert await notes.answers(1) == {"503": 1}


async def test_an_update_without_a_change_starts_no_deployment_unless_the_platform_reads_it_so(account):
    digest = await account.image()
    notes = await Notes(account).created(digest)
    first = await notes.newest()
    assert await notes.update(digest) == first
    account.cloud.ecs.express.readings.same_deploys = True
    assert await notes.update(digest) != first


async def test_a_deleted_service_drains_and_its_name_is_free_when_it_is_inactive(account):
    notes = await Notes(account).created(await account.image())
    await notes.ask("delete_express_gateway_service", serviceArn=notes.arn)
    await account.cloud.clock.sleep(90)
    assert (await notes.described())["status"]["statusCode"] == "INACTIVE"
    assert account.backend.running == []
    assert (await account.ask("elbv2", "describe_load_balancers"))["LoadBalancers"] == []
    await notes.created(await account.image())
    await notes.ask("delete_express_gateway_service", serviceArn=notes.arn)
    await account.cloud.clock.sleep(3700)
    gone = await account.refusal("ecs", "describe_express_gateway_service", serviceArn=notes.arn)
    assert gone == ("ResourceNotFoundException", "Resource not found")


async def test_what_is_read_back_is_sorted_and_has_the_managed_security_group(account):
    notes = await Notes(account).created(await account.image())
    described = await notes.described()
    (active,) = described["activeConfigurations"]
    assert described["cluster"] == "arn:aws:ecs:eu-west-1:123456789012:cluster/default"
    assert [pair["name"] for pair in active["primaryContainer"]["environment"]] == ["A", "B"]
    assert active["networkConfiguration"]["securityGroups"][0] == "sg-1"
    assert len(active["networkConfiguration"]["securityGroups"]) == 2
    revision = await notes.revision()
    assert revision["containerImages"][0]["imageDigest"] == active["primaryContainer"]["image"].partition("@")[2]
    path = revision["ecsManagedResources"]["ingressPaths"][0]
    assert (path["accessType"], path["loadBalancer"]["scheme"]) == ("PUBLIC", "internet-facing")
    (rule,) = (await account.ask("elbv2", "describe_rules", ListenerArn=path["listener"]["arn"]))["Rules"]
    assert [group["Weight"] for group in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]] == [100, 0]
    (target,) = (await account.ask("elbv2", "describe_target_health", TargetGroupArn=path["targetGroups"][0]["arn"]))[
        "TargetHealthDescriptions"
    ]
    assert target["TargetHealth"]["State"] == "healthy"


async def test_a_task_that_dies_is_replaced_without_a_deployment(account):
    script = Script()
    digest = await account.image(script)
    notes = await Notes(account).created(digest)
    script.healthy = False
    for _ in range(4):
        await account.cloud.clock.sleep(30)
    script.healthy = True
    for _ in range(10):
        await account.cloud.clock.sleep(60)
    assert len(account.backend.started) == 2
    assert await notes.answers(3) == {digest: 3}


async def test_a_young_infrastructure_role_is_refused_in_both_ways_that_users_quote(account):
    from slipway.simulator.iam import trusting

    account.cloud.iam.roles.clear()
    account.cloud.iam.strict = True
    policy = trusting("ecs.amazonaws.com")
    await account.ask("iam", "create_role", RoleName="notes-infrastructure", AssumeRolePolicyDocument=policy)
    seen = []
    for _ in range(9):
        try:
            await Notes(account).create(await account.image())
            break
        except Exception as refused:  # noqa: BLE001 -- boto3's own
            error = refused.response["Error"]
            seen.append((error["Code"], error["Message"]))
            await account.cloud.clock.sleep(20)
    assert list(dict.fromkeys(seen)) == [
        ("AccessDeniedException", "Cannot assume role"),
        ("ClientException", "AWS was not able to validate the provided access credentials"),
    ]
