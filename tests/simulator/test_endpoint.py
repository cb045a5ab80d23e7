from asyncio.selector_events import _SelectorSocketTransport
from functools import cache

import anyio.to_thread
import boto3
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from slipway.simulator.clock import VirtualClock
from slipway.workload.workload import NO_CERTIFICATES
from tests.simulator.account import asked, opened
from tests.simulator.raw import SIGNED, ask_raw


@cache
def session_in(region):
    return boto3.session.Session("simulated", "secret", region_name=region)


def client(account, service, region="eu-west-1", **how):
    return session_in(region).client(service, endpoint_url=account.cloud.url, config=Config(**how))


async def refused(call, **parameters):
    with pytest.raises(ClientError) as raised:
        await anyio.to_thread.run_sync(lambda: call(**parameters))
    return raised.value.response["Error"] | {"status": raised.value.response["ResponseMetadata"]["HTTPStatusCode"]}


async def test_an_operation_that_the_simulator_does_not_have_says_so_and_what_it_has(shared_account):
    error = await refused(client(shared_account, "apprunner").list_vpc_ingress_connections)
    assert (error["Code"], error["status"]) == ("UnknownOperationException", 501)
    assert "The simulator does not have AppRunner.ListVpcIngressConnections" in error["Message"]
    assert "CreateService, CreateVpcConnector, DeleteAutoScalingConfiguration" in error["Message"]


async def test_a_service_that_the_simulator_does_not_have_says_so(shared_account):
    error = await refused(client(shared_account, "dynamodb").list_tables)
    assert (error["Code"], error["status"]) == ("UnknownOperationException", 501)
    assert "DynamoDB_20120810.ListTables" in error["Message"]


async def test_a_request_that_is_not_signed_is_refused(shared_account):
    error = await refused(client(shared_account, "apprunner", signature_version=UNSIGNED).list_services)
    assert (error["Code"], error["status"]) == ("MissingAuthenticationTokenException", 403)
    error = await refused(client(shared_account, "sts", signature_version=UNSIGNED).get_caller_identity)
    assert (error["Code"], error["status"]) == ("MissingAuthenticationToken", 403)


async def test_sts_tells_who_is_asking(shared_account):
    identity = await anyio.to_thread.run_sync(client(shared_account, "sts").get_caller_identity)
    assert identity["Account"] == "123456789012"
    assert identity["Arn"].startswith("arn:aws:iam::123456789012:")


async def test_sts_says_what_it_does_not_know(shared_account):
    error = await refused(client(shared_account, "sts").get_session_token)
    assert (error["Code"], error["status"]) == ("InvalidAction", 501)
    assert "GetSessionToken" in error["Message"]


async def test_arns_are_of_the_region_that_was_signed_for(shared_account):
    ecr = client(shared_account, "ecr", region="ap-southeast-2")
    made = await anyio.to_thread.run_sync(lambda: ecr.create_repository(repositoryName="far-away"))
    assert made["repository"]["repositoryArn"] == "arn:aws:ecr:ap-southeast-2:123456789012:repository/far-away"


async def test_an_error_has_its_code_in_body_and_header_and_its_message_as_the_service_calls_it(shared_account):
    url = shared_account.cloud.url
    status, answer = await ask_raw(url, "AppRunner.DescribeService", {"ServiceArn": "arn:aws:apprunner:x"})
    assert (status, answer["__type"], set(answer)) == (400, "InvalidRequestException", {"__type", "Message"})
    target = "AmazonEC2ContainerRegistry_V20150921.DescribeImages"
    status, answer = await ask_raw(url, target, {"repositoryName": "absent"})
    assert (status, answer["__type"], set(answer)) == (400, "RepositoryNotFoundException", {"__type", "message"})


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"AppRunner", b'{"ServiceArn": "' + b"[" * 10])
async def test_what_is_not_json_is_refused(shared_account, content):
    status, answer = await ask_raw(shared_account.cloud.url, "AppRunner.DescribeService", content)
    assert (status, answer["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("content", [b"[]", b"7", b"null", b'"text"', b'{"ServiceArn": null}', b'{"ServiceArn": []}'])
async def test_json_of_another_form_is_refused(shared_account, content):
    status, answer = await ask_raw(shared_account.cloud.url, "AppRunner.DescribeService", content)
    assert (status, answer["__type"]) == (400, "InvalidRequestException")


async def test_an_operation_without_parameters_may_have_no_body(shared_account):
    status, answer = await ask_raw(shared_account.cloud.url, "AppRunner.ListServices", b"")
    assert (status, answer) == (200, {"ServiceSummaryList": []})


async def test_times_are_seconds_and_the_json_is_of_the_services_version(shared_account):
    target = "AmazonEC2ContainerRegistry_V20150921.CreateRepository"
    headers = {"x-amz-target": target, "authorization": SIGNED}
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as plain:
        answer = await plain.post(shared_account.cloud.url, json={"repositoryName": "timed"}, headers=headers)
        listed = await plain.post(
            shared_account.cloud.url, json={}, headers=headers | {"x-amz-target": "AppRunner.ListServices"}
        )
    created = answer.json()["repository"]["createdAt"]
    assert abs(created - shared_account.cloud.clock.now().timestamp()) < 3600
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert listed.headers["content-type"] == "application/x-amz-json-1.0"


async def test_every_answer_and_every_error_has_the_id_of_its_request(shared_account):
    clients = [client(shared_account, "apprunner").list_services, client(shared_account, "sts").get_caller_identity]
    answers = [await anyio.to_thread.run_sync(ask) for ask in (*clients, *clients)]
    ids = {answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] for answer in answers}
    assert len(ids) == 4
    with pytest.raises(ClientError) as refused:
        await anyio.to_thread.run_sync(lambda: client(shared_account, "ecr").describe_images(repositoryName="absent"))
    assert refused.value.response["ResponseMetadata"]["RequestId"] not in ids | {""}


async def test_head_and_body_of_an_answer_are_sent_in_one_piece(shared_account, monkeypatch):
    pieces = []
    send = _SelectorSocketTransport.write

    def recorded(transport, content):
        pieces.append(bytes(content))
        send(transport, content)

    monkeypatch.setattr(_SelectorSocketTransport, "write", recorded)
    await ask_raw(shared_account.cloud.url, "AppRunner.ListServices", {})
    (answer,) = [piece for piece in pieces if piece.startswith(b"HTTP/1.1 ")]
    assert answer.endswith(b"}")


async def test_the_root_is_for_posting(shared_account):
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as plain:
        assert (await plain.get(shared_account.cloud.url)).status_code == 405
        assert (await plain.get(f"{shared_account.cloud.url}/other")).status_code == 404


async def test_what_was_asked_is_remembered_in_order_also_when_it_was_refused():
    async with opened(clock=VirtualClock()) as account:
        before = len(account.cloud.requests)
        await account.ask("apprunner", "list_services")
        await account.refusal("ecr", "describe_images", repositoryName="absent")
        await ask_raw(account.cloud.url, "AppRunner.PauseService", {})
        await ask_raw(account.cloud.url, "AppRunner.CreateService", asked("sha256:" + "0" * 64))
        assert account.cloud.requests[before:] == ["ListServices", "DescribeImages", "PauseService", "CreateService"]
