"""Resources that a stack would make and that exist without it: CloudFormation reports the first of them when half of the stack is made."""

from collections.abc import AsyncIterator

from slipway.errors import RefusedError
from slipway.records.bootstrap import StackChange
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.template import StackTemplate
from slipway.release.errors import AwsRefusedError

_ROLE, _LOG_GROUP = "AWS::IAM::Role", "AWS::Logs::LogGroup"
_NAMES = {_ROLE: "RoleName", _LOG_GROUP: "LogGroupName"}
_NOUNS = {_ROLE: "the role", _LOG_GROUP: "the log group"}


NamedResource = tuple[str, str]  # kind and name


def added_by(stack: StackTemplate, proposal: StackChange) -> list[NamedResource]:
    """Return the roles and log groups that a stack would add."""
    wanted = stack.template["Resources"]
    added = [change for change in proposal.changes if change.action == "Add" and change.kind in _NAMES]
    named = [(change.kind, wanted[change.name]["Properties"].get(_NAMES[change.kind])) for change in added]
    return [(kind, name) for kind, name in named if isinstance(name, str)]


async def check_new(aws: Aws, added: list[NamedResource]) -> None:
    """Raise RefusedError with every resource that exists already."""
    try:
        taken = [f"{_NOUNS[kind]} {name}" async for kind, name in _taken(aws, added)]
    except AwsRefusedError:  # these credentials may not list them; CloudFormation names the first one later
        return
    if taken:
        raise RefusedError(
            f"the stacks would make what exists already, and nothing was changed: {', '.join(taken)}",
            "name others in the settings, and bootstrap makes them; or delete these first, if nothing uses them",
        )


async def _taken(aws: Aws, added: list[NamedResource]) -> AsyncIterator[NamedResource]:
    roles = [name for kind, name in added if kind == _ROLE]
    if roles:
        there = {role["RoleName"] async for page in aws.pages("iam", "list_roles") for role in page["Roles"]}
        for name in roles:
            if name in there:
                yield _ROLE, name
    for name in (name for kind, name in added if kind == _LOG_GROUP):
        pages = aws.pages("logs", "describe_log_groups", logGroupNamePrefix=name)
        if name in {group["logGroupName"] async for page in pages for group in page["logGroups"]}:
            yield _LOG_GROUP, name
