"""Bootstrap, its drift and `destroy --everything`, played against an account that allows exactly what their generated policies allow."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from slipway.environment.bootstrap import AccountSetup
from slipway.environment.destroy import destroy_everything
from slipway.environment.environment import ServiceEnvironment
from slipway.errors import SlipwayError, within
from slipway.records.access import AccessDifference, ServerAccess
from slipway.records.bootstrap import Result
from slipway.release.bootstrap.own_policy import CHANGES, READS, own_policy
from slipway.release.bootstrap.template import stacks
from slipway.report.account import of_account_drift, of_bootstrap, of_destruction
from slipway.resource_kinds import permissions
from slipway.settings import ManagedDatabase
from slipway.simulator.authorization import Needed, allows
from tests.release.bootstrap.wanted import MADE, express, settings, untold
from tests.release.desired import time_of
from tests.release.direct import opened
from tests.release.migrating import done
from tests.release.policed import PolicedAws, freely, hold
from tests.simulator.account import SLOW, Account

pytestmark = pytest.mark.slow
NAME, FOUNDATION, OWN = "notes-staging", "slipway-staging", "slipway-notes-staging"
PROTECTED = ManagedDatabase(managed=True, deletion_protection=False)
WANTED = settings(staging=express("staging", network=MADE, database=PROTECTED))
DIFFERENT = ServerAccess((AccessDifference(subject="role notes", expected="exists", actual="absent"),), is_made=False)


@dataclass(frozen=True)
class Scene:
    account: Account
    aws: PolicedAws

    def setup(self, digest: str | None = None) -> AccountSetup:
        return AccountSetup(
            settings=WANTED, environment="staging", aws=self.aws, time=time_of(self.account), digest=digest
        )

    async def opened_by_hand(self) -> None:
        """Add a rule and a route, and turn the database's snapshots off."""
        stack = self.account.cloud.cloudformation.stacks[FOUNDATION]
        there = {each.logical: each.physical for each in stack.resources.values()}
        rule = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "CidrIp": "0.0.0.0/0"}
        route = {"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-0123"}
        ask = self.account.ask
        await ask("ec2", "authorize_security_group_ingress", GroupId=there["DatabaseGroup"], **rule)
        await ask("ec2", "create_route", RouteTableId=there["PrivateRoutes"], **route)
        await ask("rds", "modify_db_instance", DBInstanceIdentifier=FOUNDATION, BackupRetentionPeriod=1)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with opened(pace=SLOW) as account:
        account.cloud.store.repositories.clear()
        yield Scene(account, PolicedAws(account))


async def made(there: Scene) -> None:
    """Show and make the environment with the roles in its database, find what was opened by hand, restore it, and delete everything."""
    setup = there.setup()
    applied = await setup.apply(untold, approved=await setup.propose(untold))
    assert [stack.result for stack in applied.stacks] == [Result.APPLIED] * 3, of_bootstrap(applied)
    digest = await there.account.image(done(record=DIFFERENT))
    with_image = replace(setup, digest=digest)
    shown = await with_image.propose(untold)
    assert shown.database.result is Result.PROPOSED, of_bootstrap(shown)
    there.account.backend.scripts[digest] = done(record=replace(DIFFERENT, is_made=True))
    assert (await with_image.apply(untold)).database.result is Result.APPLIED
    await there.opened_by_hand()
    assert not (await setup.drift(untold)).is_clean
    assert (await setup.apply(untold, restores=True)).is_well
    found = await setup.drift(untold)
    assert found.is_clean, of_account_drift(found)
    environment = ServiceEnvironment(
        settings=WANTED,
        name="staging",
        endpoint_url=there.account.cloud.url,
        time=setup.time,
        starts=False,
        connection=there.aws,
    )
    ended = await destroy_everything(environment, untold, NAME)
    assert ended.exit_code == 0, of_destruction(ended)


async def read(there: Scene) -> None:
    """Find the drift of an environment that another identity has made."""
    await freely(there.account.cloud.guard, there.setup().apply(untold))
    await there.opened_by_hand()
    found = await there.setup().drift(untold)
    assert len(found.breaches) == 5, found.breaches
    assert [each.path for stack in found.stacks for each in stack.differences] == ["/BackupRetentionPeriod"]


# For a service that is live, which the stories of `destroy` and `status` have: test_express_permissions.py.
OF_A_SERVICE = {
    "ecs:DeleteExpressGatewayService",
    "ecs:DescribeExpressGatewayService",
    *("ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions", "ecs:ListServiceDeployments"),
    *("ecs:DescribeServices", "elasticloadbalancing:DescribeTargetGroups"),
    *("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"),  # its ledger
    *("ecr:BatchDeleteImage", "ecs:DeregisterTaskDefinition"),  # of an earlier record, of an earlier definition
}
STORIES = {CHANGES: made, READS: read}


def without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    """Return the policy without one action."""
    left = [each | {"Action": [name for name in each["Action"] if name != action]} for each in policy["Statement"]]
    return {"Statement": [each for each in left if each["Action"]]}


async def refusal(command: str, policy: dict[str, Any]) -> str:
    async with scene() as there:
        hold(there.account, policy)
        try:
            await STORIES[command](there)
        except (SlipwayError, ExceptionGroup, AssertionError) as error:
            return str(within(error) or error)
    return ""


@pytest.mark.parametrize("command", STORIES)
async def test_it_works_under_exactly_its_policy_and_uses_all_of_it(command):
    policy = own_policy(WANTED, "staging", command)
    async with scene() as there:
        hold(there.account, policy)
        await STORIES[command](there)
        used = {right.action for right in there.account.cloud.guard.asked}
    granted = {action for each in policy["Statement"] for action in each["Action"]}
    kinds = [each["Type"] for stack in stacks(WANTED, "staging") for each in stack.template["Resources"].values()]
    assert used <= granted
    assert granted - used - OF_A_SERVICE <= {
        *permissions(kinds, ("update", "delete"))
    }  # of what the story leaves as it is
    assert len(json.dumps(policy, separators=(",", ":"))) < 10_240  # all inline policies of a role together


@pytest.mark.parametrize(
    ("command", "action"),
    [
        (CHANGES, "cloudformation:ExecuteChangeSet"),
        (CHANGES, "rds:CreateDBInstance"),
        (CHANGES, "ecs:RunTask"),
        (READS, "iam:GetRole"),
    ],
)
async def test_without_one_action_it_fails_and_names_it(command, action):
    policy = own_policy(WANTED, "staging", command)
    assert f"is not authorized to perform: {action}" in await refusal(command, without(policy, action))


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateRole", "arn:aws:iam::123456789012:role/admin"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:others-aBcDeF"),
        ("ecr:DeleteRepository", "arn:aws:ecr:eu-west-1:123456789012:repository/others"),
        ("cloudformation:DeleteStack", "arn:aws:cloudformation:eu-west-1:123456789012:stack/slipway-others/*"),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/admin"),
        ("iam:CreateServiceLinkedRole", "arn:aws:iam::123456789012:role/admin"),
    ],
)
def test_roles_secrets_repositories_and_stacks_of_others_are_out_of_reach(action, resource):
    assert not allows(own_policy(WANTED, "staging", CHANGES), Needed(action, resource, "ecs-tasks.amazonaws.com"))
