"""Every template of ours, executed by the simulator under exactly the permissions that its kinds of resources need."""

import json

import pytest

from slipway.release.bootstrap.template import stacks
from slipway.resource_kinds import permissions
from tests.release.bootstrap.test_foundation import WANTED
from tests.release.bootstrap.test_template import KINDS
from tests.release.direct import opened
from tests.simulator.stacks import executed, reasons

CASES = {case: (KINDS[case], "staging") for case in ("all of it", "from nothing, without NAT", "two regions")} | {
    f"made {name}": (WANTED, name) for name in WANTED.environments
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
async def test_every_template_is_executed_under_exactly_the_permissions_of_its_kinds(case):
    wanted = stacks(*CASES[case])
    kinds = {resource["Type"] for stack in wanted for resource in stack.template["Resources"].values()}
    statement = {"Effect": "Allow", "Action": list(permissions(kinds)), "Resource": "*"}
    async with opened() as account:
        account.cloud.store.repositories.clear()
        role = {"RoleName": "executor"}
        await account.ask("iam", "create_role", **role, AssumeRolePolicyDocument='{"Statement": []}')
        policy = json.dumps({"Statement": [statement]})
        await account.ask("iam", "put_role_policy", **role, PolicyName="p", PolicyDocument=policy)
        for stack in wanted:
            tags = [{"Key": key, "Value": value} for key, value in stack.tags.items()]
            more = {"StackName": stack.name, "Tags": tags, "RoleARN": "arn:aws:iam::123456789012:role/executor"}
            made = await executed(account, stack.text, **more)
            assert (made["StackStatus"], await reasons(account, stack.name)) == ("CREATE_COMPLETE", {})
