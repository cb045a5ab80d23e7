"""AWS through boto3 and HTTP: how errors and lost answers reach the release engine."""

import pytest

from slipway.errors import UnknownOutcomeError
from slipway.records.outcome import Status
from slipway.release.aws.client import Aws
from slipway.release.errors import AwsRefusedError, LostAnswerError
from slipway.simulator.clock import VirtualClock
from slipway.simulator.faults import Effect, Fault
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
    with pytest.raises(UnknownOutcomeError, match="AWS cannot be reached") as unreachable:
        await Aws(REGION, "http://127.0.0.1:1").call("apprunner", "list_services")
    assert unreachable.value.exit_code == 3
