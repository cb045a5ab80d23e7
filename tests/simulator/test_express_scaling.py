"""Express Mode's services with more than one task: all healthy before traffic moves, followed by auto scaling, limited by quotas."""

from collections.abc import AsyncIterator

import pytest

from tests.release.direct import opened
from tests.simulator.account import Account
from tests.simulator.express import Notes, trust

SCALING = {"minTaskCount": 2, "maxTaskCount": 4, "autoScalingMetric": "AVERAGE_CPU", "autoScalingTargetValue": 50}


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    async with opened() as account:
        trust(account)
        yield account


async def minutes(account: Account, number: int) -> None:
    for _ in range(number):
        await account.cloud.clock.sleep(60)


async def counts(notes: Notes) -> tuple[int, int, int]:
    (service,) = (await notes.ask("describe_services", services=["notes"]))["services"]
    return service["desiredCount"], service["runningCount"], service["pendingCount"]


@pytest.mark.slow
async def test_a_release_gets_traffic_when_all_of_its_tasks_are_healthy(account):
    notes = await Notes(account).created(await account.image(), scalingTarget=SCALING)
    assert await counts(notes) == (2, 2, 0)
    new = await account.image()
    arn = await notes.update(new, scalingTarget=SCALING)
    canary = await notes.until(arn, "PRODUCTION_TRAFFIC_SHIFT", 5)
    assert (canary["targetServiceRevision"]["runningTaskCount"], len(account.backend.running)) == (2, 4)
    health = (await account.ask("elbv2", "describe_target_health", TargetGroupArn=(await notes.groups())[1]))[
        "TargetHealthDescriptions"
    ]
    assert [target["TargetHealth"]["State"] for target in health] == ["healthy"] * 2
    await notes.ended(arn)
    assert account.backend.running == [new, new]
    assert len({task.arn for task in account.cloud.ecs.tasks.values() if not task.stopped}) == 2


async def test_tasks_follow_the_metric_between_their_limits_and_a_new_release_has_as_many(account):
    notes = await Notes(account).created(await account.image(), scalingTarget=SCALING)
    service = account.cloud.ecs.express.services[notes.arn]
    service.load = 150.0  # 75 percent of each of two
    await minutes(account, 6)
    assert await counts(notes) == (3, 3, 0)
    service.load = 900.0
    await minutes(account, 6)
    assert await counts(notes) == (4, 4, 0)
    service.load = 10.0
    await minutes(account, 10)
    arn = await notes.update(await account.image(), scalingTarget=SCALING)
    assert (await notes.until(arn, "BAKE_TIME", 100))["targetServiceRevision"]["requestedTaskCount"] == 4
    desired = set()
    while not notes.has_ended(arn):
        desired.add((await counts(notes))[0])
        await account.cloud.clock.sleep(10)
    assert desired == {4}  # not in during a deployment
    await minutes(account, 6)
    assert await counts(notes) == (2, 2, 0)


async def test_requests_are_a_metric_too(account):
    by_requests = {**SCALING, "autoScalingMetric": "REQUEST_COUNT_PER_TARGET", "autoScalingTargetValue": 5}
    notes = await Notes(account).created(await account.image(), scalingTarget=by_requests)
    for _ in range(5):
        await notes.answers(24)
        await minutes(account, 1)
    assert (await counts(notes))[0] == 4
    managed = (await notes.revision())["ecsManagedResources"]["autoScaling"]
    (policy,) = managed["applicationAutoScalingPolicies"]
    assert (policy["metric"], policy["targetValue"]) == ("ALBRequestCountPerTarget", 5.0)


async def test_an_update_changes_the_limits(account):
    notes = await Notes(account).created(await account.image(), scalingTarget=SCALING)
    await notes.ended(await notes.update(await account.image(), scalingTarget=SCALING | {"maxTaskCount": 3}))
    managed = (await notes.revision())["ecsManagedResources"]["autoScaling"]["scalableTarget"]
    assert (managed["minCapacity"], managed["maxCapacity"]) == (2, 3)


async def test_beyond_its_quota_of_processors_an_account_starts_no_task(account):
    account.cloud.quotas.vcpus = 0.75  # three tasks
    notes = await Notes(account).created(await account.image(), scalingTarget=SCALING)
    arn = await notes.update(await account.image(), scalingTarget=SCALING)
    await minutes(account, 20)
    assert (await notes.deployment(arn))["lifecycleStage"] == "SCALE_UP"
    (service,) = (await notes.ask("describe_services", services=["notes"]))["services"]
    assert "You've reached the limit on the number of vCPUs" in service["events"][0]["message"]
    account.cloud.quotas.vcpus = 1.0
    assert (await notes.ended(arn))["status"] == "SUCCESSFUL"


async def test_quotas_are_listed_and_limit_what_is_created(account):
    place = {"ServiceCode": "ecs", "QuotaCode": "L-9EF96962"}
    assert (await account.ask("service-quotas", "get_service_quota", **place))["Quota"]["Value"] == 5000
    account.cloud.quotas.cluster_services = 0
    listed = (await account.ask("service-quotas", "list_service_quotas", ServiceCode="ecs"))["Quotas"]
    assert [(quota["QuotaName"], quota["Value"]) for quota in listed] == [("Services per cluster", 0.0)]
    unknown = await account.refusal("service-quotas", "get_service_quota", ServiceCode="ecs", QuotaCode="L-1")
    assert unknown[0] == "NoSuchResourceException"
    with pytest.raises(Exception, match="The maximum number of services in the cluster is 0"):
        await Notes(account).create(await account.image())
    account.cloud.quotas.cluster_services, account.cloud.quotas.balancers = 1, 0
    with pytest.raises(Exception, match="The maximum number of load balancers, 0, has been reached"):
        await Notes(account).create(await account.image())
    assert not account.cloud.ecs.express.services
