"""Check that no role exists before its stack creates it.

CloudFormation would report only one such role, after creating half of the stack.
"""

from collections.abc import Mapping

from slipway.errors import RefusedError
from slipway.records.bootstrap import StackChange
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.change_set import OURS, tags_of
from slipway.release.bootstrap.template import StackTemplate
from slipway.release.errors import AwsRefusedError

_ROLE = "AWS::IAM::Role"


def roles_added_by(stack: StackTemplate, proposal: StackChange) -> list[str]:
    """Return the names of the roles that a stack would add."""
    wanted = stack.template["Resources"]
    added = [change for change in proposal.changes if change.action == "Add" and change.kind == _ROLE]
    return [str(wanted[change.name]["Properties"]["RoleName"]) for change in added]


async def check_new(aws: Aws, roles: Mapping[str, StackTemplate]) -> None:
    """Raise RefusedError with every role that already exists. `roles` maps each to the stack that would create it.

    Roles belong to an account, stacks to a region. A role with its stack's tags was therefore created by that stack in
    another region.
    """
    if not roles:
        return
    try:
        present = {role["RoleName"] async for role in aws.items("iam", "list_roles", "Roles")}
        taken = [role for role in roles if role in present]
        tags = (await aws.call("iam", "get_role", RoleName=taken[0]))["Role"] if taken else {}
    except AwsRefusedError:  # these credentials may not read roles; CloudFormation will report the first existing one
        return
    if taken:
        stack = roles[taken[0]]
        if tags_of(tags, OURS) == stack.tags:
            raise RefusedError(
                f"the role {taken[0]} was made by a stack {stack.name}, and there is none in {stack.region}",
                "write the region in which that stack is into the settings again: an environment cannot move to another region, "
                "but one of another name, with roles of its own, can be made there",
            )
        raise RefusedError(
            f"these roles exist already, and nothing was changed: {', '.join(taken)}",
            "name other roles in the settings, which bootstrap then makes; or delete these roles first, if nothing uses them",
        )
