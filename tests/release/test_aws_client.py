"""AWS through boto3 and HTTP: how errors and lost answers reach the release engine."""

import asyncio
import threading
from types import SimpleNamespace

import anyio
import anyio.lowlevel
import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    UnauthorizedSSOTokenError,
)
from starlette.responses import HTMLResponse, JSONResponse, Response

from slipway.errors import BadInputError, UnknownOutcomeError
from slipway.records.outcome import Status
from slipway.release.aws.client import Aws, Keys, check_endpoint, check_region, session_of
from slipway.release.errors import AwsRefusedError, LostAnswerError
from slipway.simulator.clock import VirtualClock
from slipway.simulator.faults import Effect, Fault
from slipway.simulator.serving import serving
from tests.release.desired import ARN, aws_of, deployed, spec
from tests.simulator.account import REGION, opened


@pytest.fixture
async def account():
    """An account behind HTTP."""
    async with opened(clock=VirtualClock()) as account:
        yield account


async def test_a_service_is_created_over_http(account):
    wanted = spec(await account.image())
    done = await deployed(account, wanted)
    assert (done.outcome.status, done.outcome.live) == (Status.SUCCEEDED, wanted.image.digest)


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        (Effect.CALL_LOST, LostAnswerError),
        (Effect.ANSWER_LOST, LostAnswerError),
        (Effect.UNAVAILABLE, LostAnswerError),
        (Effect.THROTTLED, AwsRefusedError),
        (Effect.EXPIRED, AwsRefusedError),
        (Effect.DENIED, AwsRefusedError),
        (Effect.CLOCK_SKEW, AwsRefusedError),
    ],
)
async def test_each_failure_is_refused_or_lost(account, effect, error):
    account.cloud.faults.add(Fault(operation="ListServices", effect=effect))
    with pytest.raises(error):
        await aws_of(account).once("apprunner", "list_services")


def test_a_full_repository_leads_to_the_way_without_it():
    full = {"Code": "LimitExceededException", "Message": "the maximum number of images"}
    assert "deploy runs with --without-ledger REASON" in AwsRefusedError("ecr", "put_image", full).next_step
    assert "--without-ledger" not in AwsRefusedError("iam", "create_role", full).next_step


async def test_a_call_that_is_not_answered_for_a_while_is_reported_while_it_waits(account, monkeypatch):
    """With a frozen endpoint `status` printed nothing for 41 s."""
    monkeypatch.setattr("slipway.oci.patience._UNANSWERED_SECONDS", 0.01)
    aws, told, is_told = aws_of(account), [], threading.Event()
    monkeypatch.setattr(aws, "_send", lambda *_: is_told.wait(10) and {})
    aws.patience.tell = lambda line: (told.append(line), is_told.set())
    await aws.call("apprunner", "list_services")
    assert told == ["AWS has not answered apprunner list_services for 0 s; waiting for 60 s at most"]


async def test_silent_requests_are_repeated_for_three_minutes_and_not_for_a_reader_who_waits(monkeypatch):
    """An endpoint that accepts and never answers held a read for sixteen minutes."""
    seconds = iter(range(0, 10_000, 30))  # each look at the clock, before and after a request
    monkeypatch.setattr("slipway.oci.patience.anyio.current_time", lambda: next(seconds))
    aws = Aws(REGION, "http://127.0.0.1:1", sleep=lambda _: anyio.lowlevel.checkpoint())
    aws.patience.answered = True
    asked = []

    async def silent(*call):
        asked.append(call)
        raise ReadTimeoutError(endpoint_url="https://apprunner")

    for each, most in ((aws, 6), (aws.impatient(), 1)):
        monkeypatch.setattr(each, "send", silent)
        with pytest.raises(LostAnswerError):
            await each.call("apprunner", "list_services")
        assert 0 < len(asked) <= most
        asked.clear()


@pytest.mark.parametrize(
    ("named", "asked"),
    [("nextToken", "nextToken"), ("NextToken", "NextToken"), ("Marker", "Marker"), ("NextMarker", "Marker")],
)
async def test_every_page_of_a_list_is_read_whatever_its_service_calls_the_next_one(monkeypatch, named, asked):
    pages = {"": {"Names": ["one"], named: "2"}, "2": {"Names": ["two"]}}

    async def call(_service, _operation, **parameters):
        return pages[parameters.get(asked, "")]

    aws = Aws(REGION)
    monkeypatch.setattr(aws, "call", call)
    assert [name async for name in aws.items("any", "list_names", "Names")] == ["one", "two"]


async def test_an_idempotent_call_is_retried(account):
    account.cloud.faults.add(Fault(operation="ListServices", effect=Effect.CALL_LOST, times=3))
    await aws_of(account).call("apprunner", "list_services")
    assert account.cloud.requests.count("ListServices") == 4


async def test_a_change_is_not_retried(account):
    account.cloud.faults.add(Fault(operation="DeleteService", effect=Effect.CALL_LOST))
    with pytest.raises(LostAnswerError):
        await aws_of(account).call("apprunner", "delete_service", ServiceArn=ARN)
    assert account.cloud.requests.count("DeleteService") == 1


async def test_aws_that_cannot_be_reached_leaves_the_outcome_unknown():
    aws = Aws(REGION, "http://127.0.0.1:1", sleep=lambda _: anyio.lowlevel.checkpoint())
    with pytest.raises(
        UnknownOutcomeError, match=r"the endpoint cannot be reached .*: start `slipway simulator`"
    ) as unreachable:
        await aws.call("apprunner", "list_services")
    assert unreachable.value.exit_code == 3


@pytest.mark.parametrize(("answered", "who"), [(False, "the endpoint"), (True, "AWS")])
async def test_an_endpoint_that_closes_its_first_connection_is_named_as_what_fails(answered, who):
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        aws = Aws(REGION, f"http://127.0.0.1:{port}", sleep=lambda _: anyio.lowlevel.checkpoint())
        aws.patience.answered = answered
        with pytest.raises(LostAnswerError, match=f"^{who} did not answer apprunner list_services"):
            await aws.once("apprunner", "list_services")


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (Response(), "200 and no content type"),  # a registry
        (HTMLResponse("Not Allowed", 405), "405 and text/html; charset=utf-8"),
        (JSONResponse({"detail": "Not Found"}, 404), "404 and application/json"),
    ],
)
async def test_an_endpoint_where_another_server_listens_is_named_at_once_and_not_asked_again(answer, seen):
    async with serving(answer) as address:
        with pytest.raises(BadInputError) as red:
            await Aws(REGION, f"http://{address}").call("apprunner", "list_services")
    assert str(red.value) == (
        f"the endpoint answers with HTTP {seen}, which AWS does not: start `slipway simulator` there, or correct the endpoint"
    )


class Outage(Aws):
    """AWS whose connections fail for the first `seconds` after a first answer; its sleep is counted, not slept."""

    def __init__(self, endpoint, seconds, error=EndpointConnectionError):
        super().__init__(REGION, endpoint, sleep=self._count)
        self.slept, self.seconds, self.error, self.calls = 0.0, seconds, error, 0

    async def _count(self, seconds):
        self.slept += seconds

    async def send(self, service, operation, parameters):
        self.calls += 1
        if self.calls > 1 and self.slept < self.seconds:
            raise self.error(endpoint_url="https://apprunner", error="refused", proxy_url="")
        return await super().send(service, operation, parameters)


@pytest.mark.parametrize("error", [EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError])
async def test_two_minutes_without_network_end_neither_a_read_nor_a_change(account, error):
    aws = Outage(account.cloud.url, 120, error)
    await aws.call("apprunner", "list_services")
    with pytest.raises(AwsRefusedError, match="delete_service"):  # its answer, after the outage
        await aws.call("apprunner", "delete_service", ServiceArn=ARN)
    assert account.cloud.requests.count("DeleteService") == 1


async def test_a_longer_wait_says_which_call_fails_and_how_long_it_is_asked_again(account):
    told = []
    aws = Outage(account.cloud.url, 20)
    aws.patience.tell = told.append
    await aws.call("apprunner", "list_services")
    await aws.call("apprunner", "list_services")
    throttled = Fault(operation="ListServices", effect=Effect.THROTTLED, times=3)
    account.cloud.faults.add(throttled)
    await aws.call("apprunner", "list_services")
    assert [line.rpartition("; ")[2] for line in told] == [
        *(f"asking again for about {seconds} s" for seconds in (152, 150, 147, 140, 126)[: len(told) - 1]),
        "asking again for about 152 s",
    ]
    assert told[0].startswith("AWS cannot be reached")
    assert told[-1].startswith("AWS throttles apprunner list_services with ThrottlingException")


async def test_the_first_line_about_ecr_names_the_way_without_it_and_a_deadline_is_not_exceeded(account):
    told = []
    aws = Outage(account.cloud.url, 0)
    aws.patience.tell = told.append
    await aws.call("ecr", "list_images", repositoryName="notes")
    for deadline in (None, 9):
        account.cloud.faults.add(Fault(operation="ListImages", effect=Effect.THROTTLED, times=4))
        with anyio.move_on_after(deadline):
            await aws.call("ecr", "list_images", repositoryName="notes")
    assert "asking again for about 152 s; while ECR alone fails, deploy runs with --without-ledger REASON" in told[0]
    assert told[1].endswith("; asking again for about 150 s")
    assert [0 < int(line.split()[-2]) <= 9 for line in told[2:]] == [True, True]


async def test_a_change_is_not_retried_when_tls_fails_because_it_may_have_been_sent(account):
    aws = Outage(account.cloud.url, 1, SSLError)
    await aws.call("apprunner", "list_services")
    with pytest.raises(LostAnswerError):
        await aws.call("apprunner", "delete_service", ServiceArn=ARN)


async def test_a_request_that_boto3_finds_invalid_is_bad_input_also_during_a_run(account):
    aws = Outage(account.cloud.url, 0)
    for _ in range(2):
        with pytest.raises(BadInputError, match=r"boto3 does not send this request: .*MaxResults"):
            await aws.call("apprunner", "list_services", MaxResults="many")
        await aws.call("apprunner", "list_services")


def test_aws_profile_names_the_profile_and_one_that_does_not_exist_is_bad_input(tmp_path, monkeypatch):
    """It was an unexpected error: the region is checked before the first request."""
    (tmp_path / "credentials").write_text("[good]\naws_access_key_id = AKIAGOOD\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("AWS_PROFILE", "good")
    assert session_of(Keys("", ""), "eu-west-1").get_credentials().access_key == "AKIAGOOD"
    monkeypatch.setenv("AWS_PROFILE", "nosuch")
    with pytest.raises(BadInputError, match=r"ProfileNotFound: The config profile \(nosuch\) could not be found"):
        check_region("apprunner", "eu-west-1")


@pytest.mark.parametrize("error", [ProfileNotFound(profile="prod"), UnauthorizedSSOTokenError()])
async def test_a_profile_that_cannot_be_used_is_bad_input_with_its_reason_and_no_missing_network(error):
    aws = Outage("http://127.0.0.1:1", 1, lambda **_: error)
    aws.calls = 1
    with pytest.raises(BadInputError, match=f"boto3 cannot make a request .{type(error).__name__}: .*profile"):
        await aws.call("apprunner", "list_services")
    assert aws.slept == 0


async def test_credentials_that_are_lost_during_a_run_leave_the_outcome_unknown(account):
    aws = Outage(account.cloud.url, 1, lambda **_: NoCredentialsError())
    await aws.call("apprunner", "list_services")
    with pytest.raises(UnknownOutcomeError, match=r"NoCredentialsError.*: sign in again and run the same command"):
        await aws.call("apprunner", "list_services")


@pytest.mark.parametrize("place", ["variable", "variable of the service", "profile"])
async def test_real_keys_sign_no_request_to_another_host_unless_the_caller_trusts_it(
    account, place, monkeypatch, tmp_path
):
    if place == "profile":
        (tmp_path / "config").write_text(f"[default]\nendpoint_url = {account.cloud.url}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    else:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL{'_STS' * (place != 'variable')}", account.cloud.url)
    with pytest.raises(BadInputError, match=r"signed with your keys would go to 127\.0\.0\.1, by .*: unset it"):
        await Aws(REGION, keys=Keys("AKIAREAL", "secret")).call("sts", "get_caller_identity")
    assert "GetCallerIdentity" not in account.cloud.requests
    monkeypatch.setenv("SLIPWAY_TRUSTED_ENDPOINTS", "aws.example 127.0.0.1")
    with pytest.raises(AwsRefusedError, match="InvalidClientTokenId"):  # the simulator's answer to real keys
        await Aws(REGION, keys=Keys("AKIAREAL", "secret")).call("sts", "get_caller_identity")


@pytest.mark.parametrize(
    "url",
    [
        "https://sts.amazonaws.com.evil.example",
        "https://evil-amazonaws.com",
        "http://169.254.1.1",
        "http://sts.amazonaws.com",
        "https://sts.amazonaws.com@evil.example",
        "https://ec2-203-0-113-7.compute-1.amazonaws.com",
        "https://sts-1234567890.us-east-1.elb.amazonaws.com",
        "https://sts.us-east-1.s3.amazonaws.com",
        "https://sts.execute-api.us-east-1.amazonaws.com",
        "https://logs.us-east-1.amazonaws.com",
    ],
)
def test_a_host_that_looks_like_one_of_aws_is_none(url):
    with pytest.raises(BadInputError):
        check_endpoint(_client_of("sts", url))


@pytest.mark.parametrize(
    ("service", "host"),
    [
        ("sts", "sts.amazonaws.com"),
        ("sts", "vpce-0a1b-2c3d.sts.us-east-1.vpce.amazonaws.com"),
        ("api.ecr", "ecr.eu-west-1.api.aws"),
        ("api.ecr", "ecr-fips.us-gov-west-1.amazonaws.com"),
        ("iam", "iam.us-gov.amazonaws.com"),
        ("portal.sso", "portal.sso.eu-west-1.amazonaws.com"),
    ],
)
def test_other_hosts_of_a_service_are_those_of_aws(service, host):
    check_endpoint(_client_of(service, f"https://{host}"))


def test_a_service_that_lends_credentials_gets_no_keys_at_another_host(monkeypatch, tmp_path):
    """boto3 asks STS for the role of a profile, with the keys of the source profile, before the first request of ours."""
    (tmp_path / "config").write_text(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = real\n"
        "[profile real]\naws_access_key_id = AKIAREAL\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    session_of(Keys("", ""), REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with pytest.raises(BadInputError, match=r"signed with your keys would go to 127\.0\.0\.1"):
        session_of(Keys("", ""), REGION)


def _client_of(service, url):
    return SimpleNamespace(
        meta=SimpleNamespace(endpoint_url=url, service_model=SimpleNamespace(endpoint_prefix=service))
    )


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1"])
def test_the_endpoints_of_all_partitions_are_those_of_aws(region):
    client = session_of(Keys("AKIAREAL", "secret"), region).client("sts")
    check_endpoint(client)
