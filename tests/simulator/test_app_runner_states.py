import httpx
import pytest

from slipway.workload.workload import NO_CERTIFICATES
from tests.simulator.account import BRISK, asked, image_of
from tests.simulator.scripted import Script

UNHEALTHY = Script(lines=("starting",), healthy=False)


async def test_a_service_is_created_and_runs(account):
    digest = await account.image()
    arn = await account.create(digest)
    service = await account.described(arn)
    assert (service["Status"], image_of(service)) == ("RUNNING", digest)
    (operation,) = await account.operations(arn)
    assert (operation["Type"], operation["Status"]) == ("CREATE_SERVICE", "SUCCEEDED")
    assert operation["TargetArn"] == arn
    assert operation["StartedAt"] < operation["EndedAt"]


async def test_a_creation_is_in_progress_until_it_has_ended(account):
    answer = await account.ask("apprunner", "create_service", ServiceName="notes", **asked(await account.image()))
    (operation,) = await account.operations(answer["Service"]["ServiceArn"])
    assert answer["Service"]["Status"] == "OPERATION_IN_PROGRESS"
    assert (operation["Id"], operation["Status"]) == (answer["OperationId"], "IN_PROGRESS")
    assert "EndedAt" not in operation


async def test_a_creation_that_does_not_become_healthy_has_failed(account):
    arn = await account.create(await account.image(UNHEALTHY))
    (operation,) = await account.operations(arn)
    assert (operation["Type"], operation["Status"]) == ("CREATE_SERVICE", "FAILED")
    assert (await account.described(arn))["Status"] == "CREATE_FAILED"
    assert account.backend.running == []


async def test_an_update_brings_the_next_release_to_life(account):
    arn = await account.create(await account.image())
    digest = await account.image()
    operation = await account.update(arn, **asked(digest))
    assert (operation["Type"], operation["Status"]) == ("UPDATE_SERVICE", "SUCCEEDED")
    service = await account.described(arn)
    assert (service["Status"], image_of(service)) == ("RUNNING", digest)
    assert account.backend.running == [digest]


@pytest.mark.parametrize(
    "script", [UNHEALTHY, Script(exit_code=3), Script(starts=False)], ids=["unhealthy", "ended", "not started"]
)
async def test_an_update_that_does_not_become_healthy_is_rolled_back_and_called_so(account, script):
    before = await account.image()
    arn = await account.create(before)
    operation = await account.update(arn, **asked(await account.image(script), Port="9000"))
    assert operation["Status"] == "ROLLBACK_SUCCEEDED"
    service = await account.described(arn)
    assert (service["Status"], image_of(service)) == ("RUNNING", before)
    assert "Port" not in service["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    assert account.backend.running == [before]


async def test_a_rollback_is_seen_while_it_lasts(account):
    before = await account.image()
    arn = await account.create(before)
    await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(await account.image(UNHEALTHY)))
    seen = []
    while (service := await account.described(arn))["Status"] == "OPERATION_IN_PROGRESS":
        assert image_of(service) == before
        seen.append((await account.operations(arn))[0]["Status"])
        await account.cloud.clock.sleep(1)
    assert list(dict.fromkeys(seen))[:2] == ["IN_PROGRESS", "ROLLBACK_IN_PROGRESS"]


async def test_a_failed_creation_is_rebuilt_by_an_update(account):
    arn = await account.create(await account.image(UNHEALTHY))
    digest = await account.image()
    operation = await account.update(arn, **asked(digest))
    assert (operation["Type"], operation["Status"]) == ("CREATE_SERVICE", "SUCCEEDED")
    service = await account.described(arn)
    assert (service["Status"], image_of(service)) == ("RUNNING", digest)


async def test_a_failed_creation_is_rebuilt_also_with_what_it_had(account):
    """The reason why it did not become healthy may have been outside: a database, a secret."""
    digest = await account.image(UNHEALTHY)
    arn = await account.create(digest)
    account.backend.scripts[digest] = Script()
    assert (await account.update(arn, **asked(digest)))["Status"] == "SUCCEEDED"


async def test_a_rebuild_can_fail_again(account):
    arn = await account.create(await account.image(UNHEALTHY))
    assert (await account.update(arn, **asked(await account.image(UNHEALTHY))))["Status"] == "FAILED"
    assert (await account.described(arn))["Status"] == "CREATE_FAILED"


async def test_an_update_without_an_effective_change_has_no_operation(account):
    digest = await account.image()
    arn = await account.create(digest)
    answer = await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(digest))
    assert "OperationId" not in answer
    assert answer["Service"]["Status"] == "RUNNING"
    assert len(await account.operations(arn)) == 1


async def test_while_an_operation_is_in_progress_nothing_can_be_changed(account):
    arn = await account.create(await account.image())
    await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(await account.image()))
    update = await account.refusal("apprunner", "update_service", ServiceArn=arn, **asked(await account.image()))
    delete = await account.refusal("apprunner", "delete_service", ServiceArn=arn)
    assert update == (
        "InvalidStateException",
        "Service cannot be updated in the current state: OPERATION_IN_PROGRESS.",
    )
    assert delete[0] == "InvalidStateException"


@pytest.mark.parametrize("script", [Script(), UNHEALTHY], ids=["RUNNING", "CREATE_FAILED"])
async def test_a_name_is_given_once(account, script):
    await account.create(await account.image(script), name="notes-production")
    refused = await account.refusal(
        "apprunner", "create_service", ServiceName="notes-production", **asked(await account.image())
    )
    assert refused == (
        "InvalidRequestException",
        "Service with the provided name already exists: notes-production.",
    )


async def test_a_deleted_service_is_still_described_and_its_name_is_free_again(account):
    arn = await account.create(await account.image())
    deleted = await account.ask("apprunner", "delete_service", ServiceArn=arn)
    assert deleted["Service"]["Status"] == "OPERATION_IN_PROGRESS"
    service = await account.settled(arn)
    assert service["Status"] == "DELETED"
    assert service["DeletedAt"] > service["CreatedAt"]
    assert account.backend.running == []
    assert (await account.operations(arn))[0]["Type"] == "DELETE_SERVICE"
    assert (await account.ask("apprunner", "list_services"))["ServiceSummaryList"] == []
    for operation in ("update_service", "delete_service"):
        assert (await account.refusal("apprunner", operation, ServiceArn=arn))[0] == "ResourceNotFoundException"
    assert await account.create(await account.image()) != arn


async def test_what_a_failed_creation_left_can_be_deleted(account):
    arn = await account.create(await account.image(UNHEALTHY))
    await account.ask("apprunner", "delete_service", ServiceArn=arn)
    assert (await account.settled(arn))["Status"] == "DELETED"


@pytest.mark.parametrize("operation", ["describe_service", "update_service", "delete_service", "list_operations"])
async def test_an_unknown_arn_is_not_found(account, operation):
    arn = "arn:aws:apprunner:eu-west-1:123456789012:service/notes/" + "0" * 32
    code, message = await account.refusal("apprunner", operation, ServiceArn=arn)
    assert code == "ResourceNotFoundException"
    assert arn in message


async def test_services_are_listed_by_their_summary(account):
    arn = await account.create(await account.image(), name="notes-staging")
    (summary,) = (await account.ask("apprunner", "list_services"))["ServiceSummaryList"]
    assert (summary["ServiceName"], summary["ServiceArn"], summary["Status"]) == ("notes-staging", arn, "RUNNING")
    assert "SourceConfiguration" not in summary


async def test_operations_are_listed_newest_first_and_in_pages(account):
    arn = await account.create(await account.image())
    for _ in range(4):
        await account.update(arn, **asked(await account.image()))
    pages, token = [], {}
    while True:
        page = await account.ask("apprunner", "list_operations", ServiceArn=arn, MaxResults=2, **token)
        pages.append(page["OperationSummaryList"])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert [len(page) for page in pages] == [2, 2, 1]
    listed = [operation for page in pages for operation in page]
    assert listed == await account.operations(arn)
    assert [operation["Type"] for operation in listed] == ["UPDATE_SERVICE"] * 4 + ["CREATE_SERVICE"]
    started = [operation["StartedAt"] for operation in listed]
    assert started == sorted(started, reverse=True)


async def test_an_image_that_is_not_there_fails_the_deployment_not_the_call(account):
    before = await account.image()
    arn = await account.create(before)
    operation = await account.update(arn, **asked("sha256:" + "0" * 64))
    assert operation["Status"] == "ROLLBACK_SUCCEEDED"
    assert account.backend.running == [before]
    assert any("Failed to pull your application image" in line for line in await account.lines(arn, "service"))


async def test_an_image_is_deployed_by_its_tag_too(account):
    manifest = '{"schemaVersion": 2}'
    put = await account.ask("ecr", "put_image", repositoryName="notes", imageManifest=manifest, imageTag="1.0")
    image = asked("")
    image["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"] = (
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/notes:1.0"
    )
    created = await account.ask("apprunner", "create_service", ServiceName="notes", **image)
    assert (await account.settled(created["Service"]["ServiceArn"]))["Status"] == "RUNNING"
    assert account.backend.running == [put["image"]["imageId"]["imageDigest"]]


async def test_old_and_new_run_side_by_side_until_traffic_has_moved(account):
    old, new = await account.image(), await account.image()
    arn = await account.create(old)
    await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(new))
    seen = set()
    while (await account.described(arn))["Status"] == "OPERATION_IN_PROGRESS":
        seen.add(tuple(account.backend.running))
        await account.cloud.clock.sleep(1)
    assert (old, new) in seen
    assert () not in seen


async def test_two_services_live_beside_each_other(account):
    one, two = await account.image(), await account.image()
    arns = [await account.create(one, name="notes-one"), await account.create(two, name="notes-two")]
    urls = {(await account.described(arn))["ServiceUrl"] for arn in arns}
    assert len(urls) == 2
    assert sorted(account.backend.running) == sorted([one, two])


async def test_the_sample_image_of_ecr_public_needs_no_role_and_is_not_deployed_by_itself(account):
    image = "public.ecr.aws/aws-containers/hello-app-runner:latest"
    repository = {"ImageIdentifier": image, "ImageRepositoryType": "ECR_PUBLIC", "ImageConfiguration": {"Port": "8000"}}
    source = {"ImageRepository": repository}
    created = await account.ask("apprunner", "create_service", ServiceName="sample", SourceConfiguration=source)
    service = await account.settled(created["Service"]["ServiceArn"])
    assert (service["Status"], service["SourceConfiguration"]["AutoDeploymentsEnabled"]) == ("RUNNING", False)
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
        assert (await client.get(f"http://{service['ServiceUrl']}/")).status_code == 200
        assert (await client.get(f"http://{service['ServiceUrl']}/absent")).status_code == 404


@pytest.mark.parametrize(("threshold", "status"), [(5, "CREATE_FAILED"), (20, "RUNNING")])
async def test_a_release_has_interval_times_unhealthy_threshold_to_start_if_that_is_longer_than_usual(
    account, threshold, status
):
    script = Script(healthy=False)
    wanted = asked(await account.image(script))
    wanted["HealthCheckConfiguration"] |= {"Interval": 5, "UnhealthyThreshold": threshold}
    created = await account.ask("apprunner", "create_service", ServiceName="slow", **wanted)
    await account.cloud.clock.sleep(BRISK.pull + BRISK.create + 2 * BRISK.timeout)
    script.healthy = True
    assert (await account.settled(created["Service"]["ServiceArn"]))["Status"] == status


async def test_a_service_is_unhealthy_after_its_threshold_of_failures_in_a_row_and_has_no_traffic_until_it_recovers(
    account,
):
    script, clock = Script(), account.cloud.clock
    arn = await account.create(await account.image(script))
    check = {"Protocol": "HTTP", "Path": "/healthz", "Interval": 5, "UnhealthyThreshold": 3, "HealthyThreshold": 2}
    await account.update(arn, HealthCheckConfiguration=check)
    service, routed = await account.described(arn), ""
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
        for answer in "+--+---+-++":
            script.healthy = answer == "+"
            await clock.sleep(check["Interval"])
            await clock.sleep(0.1)  # the check has ended: no time passes during it
            with clock.held():
                shown = await client.get(f"http://{service['ServiceUrl']}/")
            routed += "-" if shown.text == "no healthy upstream" else "+"
    assert routed == "++++++----+"
    assert (await account.described(arn))["Status"] == "RUNNING"
    assert [line.partition(":")[0] for line in await account.lines(arn, "service", "events") if "Health check" in line][
        -2:
    ] == [
        "[AppRunner] Health check failed",
        "[AppRunner] Health check is successful",
    ]


async def test_a_public_image_that_is_not_known_here_fails_the_deployment(account):
    image = "public.ecr.aws/somebody/something:latest"
    source = {"ImageRepository": {"ImageIdentifier": image, "ImageRepositoryType": "ECR_PUBLIC"}}
    created = await account.ask("apprunner", "create_service", ServiceName="unknown", SourceConfiguration=source)
    arn = created["Service"]["ServiceArn"]
    assert (await account.settled(arn))["Status"] == "CREATE_FAILED"
    assert any("was not found" in line for line in await account.lines(arn, "service"))
