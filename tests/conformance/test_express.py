"""The suite for ECS Express Mode against the simulator, called without HTTP."""

from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from slipway.conformance.account import AwsAccount, PlatformTime, Reply
from slipway.conformance.express import Roles, conform, estimate
from slipway.conformance.service import ProbeImage
from slipway.errors import BadInputError
from slipway.records.conformance import ConformanceVerdict
from slipway.simulator.clock import VirtualClock
from tests.release.direct import DirectAccount, opened
from tests.simulator.account import REGION
from tests.simulator.express import EXECUTION_ROLE, INFRASTRUCTURE_ROLE, trust

ROLES = Roles(EXECUTION_ROLE, INFRASTRUCTURE_ROLE)


class DirectAws(AwsAccount):
    """The suite's account, without HTTP."""

    def __init__(self, account: DirectAccount) -> None:
        clock = account.cloud.clock
        super().__init__(None, REGION, PlatformTime(clock.now, clock.sleep, clock.held))
        self._account = account

    @property
    def foreign_hosts(self) -> list[str]:
        return ["the simulator"]

    async def _call(self, service: str, operation: str, parameters: Any) -> Reply:
        try:
            return Reply(await self._account.ask(service, xform_name(operation), **parameters))
        except ClientError as error:
            return Reply({}, error.response["Error"]["Code"], error.response["Error"]["Message"])


@pytest.mark.slow
async def test_express_mode_is_as_its_documentation_says_and_a_planted_difference_is_seen():
    async with opened(clock=VirtualClock()) as account:
        trust(account)
        account.cloud.ecs.express.readings.absent = "InvalidParameterException"
        found = await conform(DirectAws(account), ProbeImage(), ROLES, lambda _line: None)
        services = account.cloud.ecs.express.services.values()
        assert {service.status for service in services} <= {"DRAINING", "INACTIVE"}
    seen = {
        finding.subject: finding.seen for finding in found.findings if finding.verdict is ConformanceVerdict.DIFFERS
    }
    assert seen == {"DescribeExpressGatewayService of absent": "InvalidParameterException: Resource not found"}
    assert [finding.subject for finding in found.findings if finding.verdict is ConformanceVerdict.NOT_REACHED] == []
    assert (found.left, found.exit_code) == ((), 1)


def test_the_estimate_is_small_and_roles_are_needed():
    assert estimate().dollars < 0.5
    with pytest.raises(BadInputError, match="--execution-role"):
        Roles("", "arn:aws:iam::123456789012:role/infrastructure")
