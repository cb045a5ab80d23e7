"""Roles that a stack would make and that exist without it: CloudFormation reports the first of them when half of the stack is made."""

from collections.abc import Collection

from slipway.errors import RefusedError
from slipway.records.bootstrap import StackChange
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.template import StackTemplate
from slipway.release.errors import AwsRefusedError

_ROLE = "AWS::IAM::Role"


def roles_added_by(stack: StackTemplate, proposal: StackChange) -> list[str]:
    """Return the names of the roles that a stack would add."""
    wanted = stack.template["Resources"]
    added = [change for change in proposal.changes if change.action == "Add" and change.kind == _ROLE]
    return [str(wanted[change.name]["Properties"]["RoleName"]) for change in added]


async def check_new(aws: Aws, roles: Collection[str]) -> None:
    """Raise RefusedError with every one of these roles that exists already."""
    if not roles:
        return
    try:
        present = {role["RoleName"] async for role in aws.items("iam", "list_roles", "Roles")}
    except AwsRefusedError:  # these credentials may not list them; CloudFormation names the first one later
        return
    if taken := [role for role in roles if role in present]:
        raise RefusedError(
            f"these roles exist already, and nothing was changed: {', '.join(taken)}",
            "name others in the settings, and bootstrap makes them; or delete these first, if nothing uses them",
        )
