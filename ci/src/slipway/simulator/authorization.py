"""Authorization: calls are checked against an IAM policy, and denied in IAM's words.

Most calls need the action with their own name on the resource in the request. The service authorization reference [G]
lists the other actions; simulator/README.md cites it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from slipway.simulator.contract import AwsError, Call, listed

_UNRESTRICTED = {"sts"}  # every caller may read its own identity
_PASSED_TO_APP_RUNNER = "bullet.amazonaws.com"  # [G]; for an instance role [F] differs
_NEW = "0" * 32
# These actions have no resource-level permissions, although the request names a resource [G].
_WITHOUT_RESOURCE = (
    ("ecs", "DeregisterTaskDefinition"),
    ("ecs", "DescribeTaskDefinition"),
    ("elbv2", "DescribeTargetHealth"),
    ("elbv2", "DescribeListenerCertificates"),
    ("elbv2", "DescribeListeners"),
    ("elbv2", "DescribeRules"),
)
_PREFIXES = {
    "elbv2": "elasticloadbalancing",
    "service-quotas": "servicequotas",
}  # prefixes of actions, where they differ from the API model's name


@dataclass(frozen=True)
class Needed:
    """A permission: an action on a resource."""

    action: str
    resource: str
    passed_to: str | None = None  # the service to which a role is passed


@dataclass
class Guard:
    """The policies of callers. A caller without a policy may do everything."""

    policies: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # IAM documents by access key
    asked: list[Needed] = field(default_factory=list)  # the permissions that callers with a policy needed, in order

    def check(self, call: Call, needed: Sequence[Needed], *, anonymous: bool = False) -> None:
        """Raise AwsError unless the caller's policy allows everything that is needed.

        For an anonymous caller, every policy must.
        """
        policies = [policy for key, policy in self.policies.items() if anonymous or call.caller == key]
        self.asked += needed if policies else ()
        for permission in needed:
            if not all(allows(policy, permission) for policy in policies):
                raise AwsError(
                    "AccessDeniedException",
                    f"User: arn:aws:iam::{call.account}:user/simulated is not authorized to perform: {permission.action} on resource:"
                    f" {permission.resource} because no identity-based policy allows the {permission.action} action",
                    403,
                )


def allows(policy: Mapping[str, Any], permission: Needed) -> bool:
    """Return whether a statement allows the action on the resource.

    Raise ValueError for Deny statements and unknown conditions.
    """
    return any(_matches(statement, permission) for statement in policy["Statement"])


def _matches(statement: Mapping[str, Any], permission: Needed) -> bool:
    if statement["Effect"] != "Allow":
        raise ValueError(f"the simulator evaluates Allow statements only, found {statement['Effect']}")
    actions, resources = listed(statement["Action"]), listed(statement["Resource"])
    return (
        any(fnmatchcase(permission.action.lower(), pattern.lower()) for pattern in actions)
        and any(fnmatchcase(permission.resource, pattern) for pattern in resources)
        and _is_met(statement.get("Condition", {}), permission)
    )


def _is_met(condition: Mapping[str, Any], permission: Needed) -> bool:
    if not condition:
        return True
    ((operator, keys),) = condition.items()
    ((key, values),) = keys.items()
    if (operator, key) != ("StringEquals", "iam:PassedToService"):
        raise ValueError(f"the simulator does not evaluate the condition {operator} {key}")
    return permission.passed_to in listed(values)


def needed(service: str, operation: str, request: Mapping[str, Any], call: Call) -> list[Needed]:
    if service in _UNRESTRICTED:
        return []
    named = () if (service, operation) in _WITHOUT_RESOURCE else _resources(service, operation, request, call)
    own = [Needed(f"{_PREFIXES.get(service, service)}:{operation}", resource) for resource in list(named) or ["*"]]
    dependent = _DEPENDENT.get((service, operation))
    return own + list(dependent(request, f"{call.region}:{call.account}") if dependent else ())


# The resources in a request, by service and field. A value that is an ARN identifies itself.
_RESOURCES: Mapping[str, Mapping[str, str]] = {
    "apprunner": {
        "ServiceName": f"arn:aws:apprunner:{{place}}:service/{{value}}/{_NEW}",
        "ServiceArn": "{value}",
        "ResourceArn": "{value}",
        "VpcConnectorArn": "{value}",
        "AutoScalingConfigurationArn": "{value}",
        "ObservabilityConfigurationArn": "{value}",
    },
    "cloudformation": {"StackName": "arn:aws:cloudformation:{place}:stack/{value}/*"},
    "ecr": {
        "repositoryName": "arn:aws:ecr:{place}:repository/{value}",
        "repositoryNames": "arn:aws:ecr:{place}:repository/{value}",
    },
    "ecs": {
        "family": "arn:aws:ecs:{place}:task-definition/{value}:*",
        "taskDefinition": "arn:aws:ecs:{place}:task-definition/{value}",
        "tasks": "{value}",
        "task": "{value}",
        **dict.fromkeys(("service", "services", "serviceName"), "arn:aws:ecs:{place}:service/{cluster}/{value}"),
        **dict.fromkeys(("serviceArn", "serviceDeploymentArn", "serviceDeploymentArns"), "{value}"),
        **dict.fromkeys(("serviceRevisionArns", "resourceArn"), "{value}"),
        "clusters": "arn:aws:ecs:{place}:cluster/{value}",
    },
    "ec2": {},
    "service-quotas": {},
    "elbv2": dict.fromkeys(("TargetGroupArn", "RuleArn", "ListenerArn"), "{value}"),
    "acm": {"CertificateArn": "{value}"},
    "route53": {"HostedZoneId": "arn:aws:route53:::hostedzone/{value}", "Id": "arn:aws:route53:::change/{value}"},
    "cloudwatch": {"AlarmNames": "arn:aws:cloudwatch:{place}:alarm:{value}"},
    "iam": {"RoleName": "arn:aws:iam::{account}:role/{value}"},
    "logs": {"logGroupName": "arn:aws:logs:{place}:log-group:{value}:log-stream:"},
    "rds": {
        "DBInstanceIdentifier": "arn:aws:rds:{place}:db:{value}",
        "DBSnapshotIdentifier": "arn:aws:rds:{place}:snapshot:{value}",
        "DBSubnetGroupName": "arn:aws:rds:{place}:subgrp:{value}",
    },
    "secretsmanager": dict.fromkeys(("SecretId", "Name"), "arn:aws:secretsmanager:{place}:secret:{value}-000000"),
    "ssm": {"Names": "arn:aws:ssm:{place}:parameter/{value}", "Name": "arn:aws:ssm:{place}:parameter/{value}"},
}


def _resources(service: str, operation: str, request: Mapping[str, Any], call: Call) -> Iterator[str]:
    place = f"{call.region}:{call.account}"
    cluster = request.get("cluster", "default").rpartition("/")[2]
    if operation == "ListTasks":  # a condition on tasks is one on their cluster [G]
        yield f"arn:aws:ecs:{place}:container-instance/{cluster}/{_NEW}"
        return
    below = (
        request.get("NetworkConfiguration", {}).get("EgressConfiguration", {}),
        request.get("ObservabilityConfiguration", {}),
    )
    for named in (request, *(below if service == "apprunner" else ())):
        for member, pattern in _RESOURCES[service].items():
            for value in listed(named.get(member, [])):
                name = value.lstrip("/") if service == "ssm" else value
                arn = pattern.format(place=place, account=call.account, cluster=cluster, value=name)
                yield value if value.startswith("arn:") else arn


def _passed_to_app_runner(request: Mapping[str, Any], _place: str) -> Iterator[Needed]:
    authentication = request.get("SourceConfiguration", {}).get("AuthenticationConfiguration", {})
    roles = (authentication.get("AccessRoleArn"), request.get("InstanceConfiguration", {}).get("InstanceRoleArn"))
    yield from (Needed("iam:PassRole", role, _PASSED_TO_APP_RUNNER) for role in roles if role)


def _created_with_app_runner(request: Mapping[str, Any], place: str) -> Iterator[Needed]:
    yield from _passed_to_app_runner(request, place)
    if request.get("Tags"):
        yield Needed("apprunner:TagResource", f"arn:aws:apprunner:{place}:service/{request['ServiceName']}/{_NEW}")


def _deleted_from_app_runner(request: Mapping[str, Any], _place: str) -> Iterator[Needed]:
    yield Needed("apprunner:DisassociateCustomDomain", request["ServiceArn"])


def _passed_to_a_task(request: Mapping[str, Any], _place: str) -> Iterator[Needed]:
    overridden = request.get("overrides", {})
    roles = [part.get(key) for part in (request, overridden) for key in ("executionRoleArn", "taskRoleArn")]
    yield from (Needed("iam:PassRole", role, "ecs-tasks.amazonaws.com") for role in roles if role)


def _changed_in_express(request: Mapping[str, Any], place: str) -> Iterator[Needed]:
    yield from _passed_to_a_task(request, place)
    if "taskDefinitionArn" not in request:
        family = request["serviceArn"].partition(":service/")[2].replace("/", "-")
        yield Needed("ecs:RegisterTaskDefinition", f"arn:aws:ecs:{place}:task-definition/{family}:*")


def _created_in_express(request: Mapping[str, Any], place: str) -> Iterator[Needed]:
    cluster = request.get("cluster", "default").rpartition("/")[2]
    service = f"arn:aws:ecs:{place}:service/{cluster}/{request.get('serviceName', '*')}"
    yield Needed("iam:PassRole", request["infrastructureRoleArn"], "ecs.amazonaws.com")
    yield from _changed_in_express({"serviceArn": service, **request}, place)
    yield Needed("ecs:CreateCluster", f"arn:aws:ecs:{place}:cluster/{cluster}")
    if request.get("tags"):
        yield Needed("ecs:TagResource", service)


_DEPENDENT: Mapping[tuple[str, str], Callable[[Mapping[str, Any], str], Iterator[Needed]]] = {
    ("apprunner", "CreateService"): _created_with_app_runner,
    ("apprunner", "UpdateService"): _passed_to_app_runner,
    ("apprunner", "DeleteService"): _deleted_from_app_runner,
    ("ecs", "RegisterTaskDefinition"): _passed_to_a_task,
    ("ecs", "RunTask"): _passed_to_a_task,
    ("ecs", "CreateExpressGatewayService"): _created_in_express,
    ("ecs", "UpdateExpressGatewayService"): _changed_in_express,
}
