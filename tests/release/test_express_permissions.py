"""Each command on ECS Express Mode under exactly its policy."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import anyio
import pytest

from slipway.environment import logs
from slipway.environment.diagnosis import diagnose
from slipway.environment.environment import ServiceEnvironment, abort, destroy
from slipway.environment.redeploy import CompatibilityEvidence, rollback
from slipway.environment.status import status
from slipway.release.bootstrap.roles import DEPLOY_ROLE, PERMISSIONS, policy, scope_of
from slipway.release.permissions import granted
from slipway.settings import parse
from slipway.simulator.authorization import Needed, allows
from tests.environment.express import SETTINGS, Staging, staging
from tests.release.policed import PolicedAws, hold
from tests.simulator.scripted import Script

SCOPE = scope_of(parse(SETTINGS), "staging")
UNPROVEN = CompatibilityEvidence(None, "a story")
DESCRIBE = "ecs:DescribeExpressGatewayService"
IMAGE = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
UNSEEN = {"iam:CreateServiceLinkedRole"}  # by ECS itself, at an account's first service
# Without secrets, without a start on this machine, in a ledger that exists, when nothing fails.
NO_START = ("ecr:GetAuthorizationToken", "ssm:DescribeParameters", "secretsmanager:DescribeSecret")
BEGUN = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart")
WENT_WELL = (
    *("ecs:DescribeTasks", "ecs:ListTasks", "elasticloadbalancing:ModifyTargetGroup"),
    *("logs:DescribeLogStreams", "logs:FilterLogEvents"),
)


@dataclass
class Policed(Staging):
    @property
    def environment(self) -> ServiceEnvironment:
        return replace(super().environment, connection=PolicedAws(self.account))

    async def under(self, verb: str, *acts: Callable[[], Awaitable[Any]], unused: Collection[str] = ()) -> None:
        """Run commands under the policy of one verb; they use all of it, besides what is named."""
        guard = self.account.cloud.guard
        guard.asked.clear()
        hold(self.account, policy(SCOPE, [verb]))
        for act in acts:
            await act()
        guard.policies.clear()
        assert {needed.action for needed in guard.asked} == actions_of(verb) - UNSEEN - set(unused), verb
        assert not [line for line in self.told if "not authorized" in line]


def actions_of(verb: str) -> set[str]:
    return {action for names in granted(PERMISSIONS[verb], SCOPE.grants).values() for action in names}


@pytest.mark.slow
async def test_each_command_works_under_exactly_its_policy_and_uses_all_of_it():
    async with staging() as plain:
        there = Policed(plain.account)
        scripts = (Script(), Script(), Script(healthy=False), Script())
        first, second, sick, third = [await there.account.image(replace(each, lines=("a line",))) for each in scripts]

        def deploy(digest: str) -> Callable[[], Awaitable[Any]]:
            return lambda: there.environment.deploy(digest, there.tell)

        await there.under("plan", lambda: there.environment.plan(first), unused=actions_of("plan") - {DESCRIBE, *IMAGE})
        await there.under("deploy", deploy(first), deploy(second), deploy(sick), unused=(*NO_START, "ecr:ListImages"))
        await there.under("diagnose", lambda: diagnose(there.environment, None), lambda: diagnose(there.environment, 3))
        await there.under(
            "logs",
            lambda: logs.recent(there.environment, timedelta(hours=1)),
            lambda: logs.of_deployment(there.environment, 3),
        )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(plain.environment.deploy, third, plain.tell)  # with keys of its own
            await there.until("PRODUCTION_TRAFFIC_SHIFT")
            await there.under("status", lambda: status(there.environment))
            tasks.cancel_scope.cancel()
        await there.under("abort", lambda: abort(there.environment, there.tell))
        assert (await there.environment.history()).unfinished == ()
        await there.under(
            "rollback",
            lambda: rollback(there.environment, there.tell, 1, UNPROVEN),
            unused=(*NO_START, *WENT_WELL, *BEGUN, "ecs:DescribeClusters", "ecs:StopServiceDeployment"),
        )
        await there.under(
            "destroy",
            lambda: destroy(there.environment, there.tell, "notes"),
            unused=("ecs:DescribeServices", *BEGUN),
        )


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ecs:UpdateExpressGatewayService", "arn:aws:ecs:eu-west-1:123456789012:service/default/notes-2"),
        ("ecs:UpdateExpressGatewayService", "arn:aws:ecs:eu-west-1:123456789012:service/other/notes"),
        ("ecs:DeleteExpressGatewayService", "arn:aws:ecs:eu-west-1:123456789012:service/default/notes"),
        ("ecs:StopServiceDeployment", "arn:aws:ecs:eu-west-1:123456789012:service-deployment/default/notes-2/1"),
        ("ecs:RunTask", "arn:aws:ecs:eu-west-1:123456789012:task-definition/default-notes:1"),
        ("logs:FilterLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/ecs/default/other-1"),
    ],
)
def test_the_deploy_role_reaches_nothing_but_its_own_service_and_deletes_nothing(action, resource):
    assert not allows(policy(SCOPE, DEPLOY_ROLE), Needed(action, resource))


def test_policies_of_the_target_name_no_other_target():
    assert "apprunner" not in str(policy(SCOPE, PERMISSIONS))
