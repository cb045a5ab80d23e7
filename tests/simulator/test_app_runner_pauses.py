import httpx

from slipway.simulator.faults import Effect, Fault
from slipway.workload.workload import NO_CERTIFICATES
from tests.simulator.account import asked, image_of
from tests.simulator.scripted import Script


async def test_a_paused_service_answers_503_and_keeps_its_address_and_configuration(account):
    digest = await account.image()
    arn = await account.create(digest)
    before = await account.described(arn)
    await account.ask("apprunner", "pause_service", ServiceArn=arn)
    paused = await account.settled(arn)
    assert (paused["Status"], image_of(paused)) == ("PAUSED", digest)
    assert paused["ServiceUrl"] == before["ServiceUrl"]
    assert account.backend.running == []
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
        assert (await client.get(f"http://{paused['ServiceUrl']}/healthz")).status_code == 503


async def test_a_resumed_service_runs_what_it_ran(account):
    digest = await account.image()
    arn = await account.create(digest)
    for operation in ("pause_service", "resume_service"):
        await account.ask("apprunner", operation, ServiceArn=arn)
        service = await account.settled(arn)
    assert (service["Status"], account.backend.running) == ("RUNNING", [digest])
    resumed, paused, _ = await account.operations(arn)
    assert (resumed["Type"], resumed["Status"]) == ("RESUME_SERVICE", "SUCCEEDED")
    assert (paused["Type"], paused["Status"]) == ("PAUSE_SERVICE", "SUCCEEDED")
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
        assert (await client.get(f"http://{service['ServiceUrl']}/healthz")).status_code == 200


async def test_a_service_that_is_no_longer_healthy_stays_paused(account):
    digest = await account.image()
    arn = await account.create(digest)
    await account.ask("apprunner", "pause_service", ServiceArn=arn)
    await account.settled(arn)
    account.backend.scripts[digest] = Script(healthy=False)
    await account.ask("apprunner", "resume_service", ServiceArn=arn)
    assert (await account.settled(arn))["Status"] == "PAUSED"
    assert (await account.operations(arn))[0]["Status"] == "FAILED"
    assert account.backend.running == []


async def test_a_deployment_starts_the_same_configuration_anew(account):
    digest = await account.image()
    arn = await account.create(digest)
    operation = (await account.ask("apprunner", "start_deployment", ServiceArn=arn))["OperationId"]
    await account.settled(arn)
    newest = (await account.operations(arn))[0]
    assert (newest["Id"], newest["Type"], newest["Status"]) == (operation, "START_DEPLOYMENT", "SUCCEEDED")
    assert [order.digest for order in account.backend.started] == [digest, digest]
    assert account.backend.running == [digest]


async def test_while_the_platform_maintains_a_service_it_is_in_progress_without_an_operation(account):
    arn = await account.create(await account.image())
    account.cloud.app_runner.maintain(account.cloud.app_runner.services[arn], 30)
    assert (await account.described(arn))["Status"] == "OPERATION_IN_PROGRESS"
    assert [found["Status"] for found in await account.operations(arn)] == ["SUCCEEDED"]
    assert (await account.settled(arn))["Status"] == "RUNNING"


async def test_a_failed_rollback_is_reported(account):
    arn = await account.create(await account.image())
    account.cloud.app_runner.services[arn].failing.add("ROLLBACK")
    assert (await account.update(arn, **asked(await account.image(Script(healthy=False)))))[
        "Status"
    ] == "ROLLBACK_FAILED"


async def test_an_answer_can_lack_its_operation_though_one_has_begun(account):
    arn = await account.create(await account.image())
    account.cloud.faults.add(Fault(operation="UpdateService", effect=Effect.MISSING_OPERATION_ID))
    answer = await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(await account.image()))
    assert "OperationId" not in answer
    assert (await account.operations(arn))[0]["Type"] == "UPDATE_SERVICE"
    await account.settled(arn)


async def test_a_status_can_be_unknown(account):
    arn = await account.create(await account.image())
    account.cloud.faults.add(Fault(operation="ListOperations", effect=Effect.UNKNOWN_STATUS))
    violating = await account.endpoint.send("apprunner", "list_operations", {"ServiceArn": arn})
    assert violating["OperationSummaryList"][0]["Status"] == "QUARANTINED"
    assert (await account.operations(arn))[0]["Status"] == "SUCCEEDED"


async def test_another_client_can_be_faster(account):
    arn = await account.create(await account.image())
    first = await account.image()

    async def another() -> None:
        await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(first))

    account.cloud.faults.add(Fault(operation="UpdateService", effect=Effect.OVERTAKEN, other=another))
    refused = await account.refusal("apprunner", "update_service", ServiceArn=arn, **asked(await account.image()))
    assert refused[0] == "InvalidStateException"
    assert image_of(await account.settled(arn)) == first


async def test_lines_can_come_late(account):
    account.cloud.logs.late = 60
    arn = await account.create(await account.image())
    written = len(await account.lines(arn, "service"))
    await account.cloud.clock.sleep(61)
    assert len(await account.lines(arn, "service")) > written
