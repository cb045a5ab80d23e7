from slipway.conformance import leftovers
from slipway.conformance.account import PREFIX, TAG
from slipway.conformance.behaviours import probe_scaling
from slipway.conformance.expectations import Findings, every
from slipway.conformance.registry import probe_repository
from slipway.conformance.service import ProbedService, ProbeImage
from slipway.conformance.walks import Request


async def created(account, name: str, tag: str = TAG) -> ProbedService:
    service = ProbedService(account, ProbeImage(), "", "")
    parts = service.image.configuration(Request.FIRST)
    answer = await account.ask(
        "apprunner", "CreateService", ServiceName=name, Tags=[{"Key": tag, "Value": "old"}], **parts
    )
    service.arn = answer["Service"]["ServiceArn"]
    return service


async def test_what_an_earlier_run_left_is_found_by_name_and_tag_together_and_deleted(asked):
    account, _ = asked
    ours = await created(account, f"{PREFIX}old-well")
    kept = [await created(account, f"{PREFIX}notes", "team"), await created(account, "notes-production")]
    assert await leftovers.clean(account, None, print) == ()
    assert await ours.status() == "DELETED"
    assert [await service.settled() for service in kept] == ["RUNNING", "RUNNING"]


async def test_a_run_deletes_nothing_of_another_run(asked):
    account, _ = asked
    other = await created(account, f"{PREFIX}old-well")
    assert await leftovers.clean(account, "new", print) == ()
    assert await other.settled() == "RUNNING"


async def test_repositories_and_auto_scaling_are_found_too(asked):
    account, cloud = asked
    await probe_repository(account, f"{PREFIX}old", "old", Findings(every()))
    await probe_scaling(account, f"{PREFIX}old", "old", Findings(every()))
    await account.ask("ecr", "CreateRepository", repositoryName=f"{PREFIX}without-tag")
    await leftovers.clean(account, None, print)
    assert list(cloud.store.repositories) == [f"{PREFIX}without-tag"]
    listed = await account.ask("apprunner", "ListAutoScalingConfigurations", LatestOnly=False)
    assert listed["AutoScalingConfigurationSummaryList"] == []
