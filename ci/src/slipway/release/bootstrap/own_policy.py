"""The IAM policy for bootstrap itself: its own calls, and those that CloudFormation makes with the caller's permissions.

CloudFormation calls the handlers of the templates' resources. AWS's provider schemas list the actions that a handler
may need. The policy is limited to the resources that templates name and that are valuable: roles, secrets,
repositories. AWS chooses the ids of most others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from slipway.release.bootstrap.roles import PERMISSIONS, access_role, joined, scope_of
from slipway.release.bootstrap.template import StackTemplate, stacks
from slipway.release.permissions import REPOSITORY, TRIAL, Permission, Policy, Scope, allow, document, granted, narrowed
from slipway.release.runners.access import access_log
from slipway.resource_kinds import permissions
from slipway.settings import Settings

# CHANGES is for bootstrap in every form and for `destroy --everything`. READS is for `--drift` without the database's
# roles: these can be read only by a task that gets the main user's password.
COMMANDS = CHANGES, READS = "bootstrap", "bootstrap-drift"
_READ_STACKS: Final = (
    *("DescribeStackResourceDrifts", "DescribeStacks", "DetectStackDrift", "GetTemplate", "ListStackResources"),
)
_CHANGE_STACKS: Final = (
    *("CreateChangeSet", "DeleteChangeSet", "DeleteStack", "DescribeChangeSet", "DescribeStackEvents"),
    "ExecuteChangeSet",
)
_READ_ANY: Final = (
    *("cloudformation:DescribeStackDriftDetectionStatus", "cloudformation:ListImports"),
    *("ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "elasticloadbalancing:DescribeLoadBalancers"),
    "rds:DescribeDBInstances",
)
_CHANGE_ANY: Final = (
    *("ec2:DescribeAddresses", "ec2:DescribeNatGateways", "ec2:DescribeVpcEndpoints", "ec2:DescribeVpcs"),
    *("iam:ListRoles", "logs:DescribeLogGroups", "rds:DescribeDBSnapshots", "secretsmanager:DescribeSecret"),
    *("ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteRoute", "ec2:RevokeSecurityGroupIngress"),
)
# The kinds of resources that the templates name: the property with the name, and the ARN.
_NAMED: Final[Mapping[str, tuple[str, str]]] = {
    "AWS::ECR::Repository": ("RepositoryName", "arn:{partition}:ecr:{region}:{account}:repository/{name}"),
    "AWS::IAM::Role": ("RoleName", "arn:{partition}:iam::{account}:role/{name}"),
    "AWS::SecretsManager::Secret": ("Name", "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????"),
}
# `destroy` lists these resources as kept, with their number of images.
_KEPT: Final = {REPOSITORY: ("ecr:DescribeImages",), TRIAL: ("ecr:DescribeImages",)}
_ECS: Final = "arn:{partition}:ecs:{region}:{account}"
_FAMILIES: Final = tuple(f"{_ECS}:task-definition/{{service}}-access{suffix}:*" for suffix in ("", "-check"))
_ACCESS: Final = {
    "AccessTasks": (("ecs:RegisterTaskDefinition", "ecs:RunTask"), _FAMILIES),
    "AccessTask": (("ecs:DescribeTasks",), (_ECS + ":task/{cluster}/*",)),
    "AccessCluster": (("ecs:ListTasks",), (_ECS + ":container-instance/{cluster}/*",)),
    "AccessAny": (("ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"), ("*",)),
    "AccessLog": (("logs:FilterLogEvents",), ("arn:{partition}:logs:{region}:{account}:log-group:{log}:*",)),
}
_WITHOUT_RESOURCE: Final = {"iam:ListRoles", "secretsmanager:GetRandomPassword", "secretsmanager:ListSecrets"}
_LINKED: Final = "iam:CreateServiceLinkedRole"
_UNUSED: Final = {"iam:PassRole"}  # the handler of a database may pass roles, but our databases have none
_HANDLERS: Final = {CHANGES: ("create", "read", "update", "delete"), READS: ("read",)}


def own_policy(settings: Settings, environment: str, command: str) -> Policy:
    """Return the policy for CHANGES or READS in one environment. Raise SettingsError when the settings do not fit."""
    scope, templates = scope_of(settings, environment), stacks(settings, environment)
    resources = [each for stack in templates for each in stack.template["Resources"].values()]
    permissions = PERMISSIONS["destroy"] if command == CHANGES else (Permission.OBSERVE,)
    statements = [
        *_stacks(scope, templates, command),
        *_made(scope, resources, command),
        *narrowed(granted(permissions, scope.grants), scope)["Statement"],
    ]
    if command == CHANGES:
        statements += narrowed(_KEPT, scope)["Statement"]
        statements += _access(scope) if scope.env.database else ()
    return joined([document([each]) for each in statements])


def _stacks(scope: Scope, templates: Iterable[StackTemplate], command: str) -> Iterator[dict[str, Any]]:
    arn = f"arn:{scope.env.partition}:cloudformation:{scope.env.region}:{scope.env.account}:stack"
    reads = [f"cloudformation:{name}" for name in _READ_STACKS]
    yield allow("ReadStacks", reads, [f"{arn}/slipway-*"])  # includes the stacks of other services in the environment
    if command == CHANGES:
        changes = [f"cloudformation:{name}" for name in _CHANGE_STACKS]
        yield allow("ChangeStacks", changes, [f"{arn}/{each.name}/*" for each in templates])


def _made(scope: Scope, resources: Sequence[Mapping[str, Any]], command: str) -> Iterator[dict[str, Any]]:
    """Yield the statements for the handlers of the templates' resources: on named resources, and on all others."""
    handlers, names = _HANDLERS[command], dict.fromkeys(str(each["Type"]) for each in resources)
    anywhere = {*_READ_ANY, *(_CHANGE_ANY if command == CHANGES else ())}
    for kind in names:
        actions = set(permissions([kind], handlers))
        if kind in _NAMED:
            key, pattern = _NAMED[kind]
            service = pattern.split(":")[2]
            own = {each for each in actions if each.startswith(f"{service}:")} - _WITHOUT_RESOURCE
            arns = [
                pattern.format(**scope.names | {"name": each["Properties"][key]})
                for each in resources
                if each["Type"] == kind
            ]
            yield allow(f"Made{kind.rpartition(':')[2]}", sorted(own), arns)
            actions -= own
        anywhere |= actions - _UNUSED
    if _LINKED in anywhere:
        yield allow(
            "LinkedRoles", [_LINKED], [f"arn:{scope.env.partition}:iam::{scope.env.account}:role/aws-service-role/*"]
        )
    yield allow("MadeOthers", sorted(anywhere - {_LINKED}), ["*"])


def _access(scope: Scope) -> Iterator[dict[str, Any]]:
    """Yield the statements for the task that reads and creates the roles in the database."""
    names = scope.names | {
        "cluster": scope.task.cluster if scope.task else "default",
        "log": access_log(scope.names["service"]),
    }
    for sid, (actions, patterns) in _ACCESS.items():
        yield allow(sid, actions, [pattern.format(**names) for pattern in patterns])
    role = access_role(scope.settings, scope.environment)
    passing = allow("AccessRole", ["iam:PassRole"], [_NAMED["AWS::IAM::Role"][1].format(**names | {"name": role})])
    yield passing | {"Condition": {"StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]}}}
