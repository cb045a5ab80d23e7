"""ECS Express Mode in an account: the IAM actions of each permission, and the resources that bootstrap creates for an environment.

The actions are those in the service authorization reference ("list_amazonelasticcontainerservice"), and those that
AWS's own CloudFormation handlers for an Express Gateway Service use.
"""

from collections.abc import Mapping

from slipway.release.cloudformation import Part, role, start_task, trusts_service
from slipway.release.permissions import ANY, Arns, Grants, Permission, Resource, Scope, patterns
from slipway.release.targets.ecs_express.preflight import ECS, MANAGED_POLICY, TASKS
from slipway.release.targets.ecs_express.spec import environment_of
from slipway.settings import Settings


def _patterns(*texts: str) -> Arns:
    """Return a function that fills these patterns with an environment's names, including its cluster."""

    def arns(scope: Scope) -> list[str]:
        names = {**scope.names, "cluster": environment_of(scope.settings, scope.environment).cluster}
        return [text.format(**names) for text in texts]

    return arns


SERVICE = Resource(
    "Service",
    "the Express service, by its name",
    _patterns("arn:{partition}:ecs:{region}:{account}:service/{cluster}/{service}"),
)
HISTORY = Resource(
    "ServiceHistory",
    "the deployments and service revisions of the service",
    _patterns(
        "arn:{partition}:ecs:{region}:{account}:service-deployment/{cluster}/{service}/*",
        "arn:{partition}:ecs:{region}:{account}:service-revision/{cluster}/{service}/*",
    ),
)
CLUSTER = Resource(
    "Cluster", "the service's cluster", _patterns("arn:{partition}:ecs:{region}:{account}:cluster/{cluster}")
)
SERVICE_TASKS = Resource(
    "ServiceTasks",
    "the tasks in the service's cluster",
    _patterns("arn:{partition}:ecs:{region}:{account}:task/{cluster}/*"),
)
CLUSTER_TASKS = Resource(
    "ServiceTaskLists",
    "the lists of tasks in the service's cluster, which AWS expresses as its container instances",
    _patterns("arn:{partition}:ecs:{region}:{account}:container-instance/{cluster}/*"),
)
TASK_DEFINITIONS = Resource(
    "TaskDefinitions",
    "the definitions of the service's tasks: every service revision has one",
    _patterns("arn:{partition}:ecs:{region}:{account}:task-definition/{cluster}-{service}:*"),
)
TARGET_GROUPS = Resource(
    "TargetGroups",
    "target groups: ECS chooses their names",
    patterns("arn:{partition}:elasticloadbalancing:{region}:{account}:targetgroup/*"),
)
SERVICE_LOGS = Resource(
    "ServiceLogs",
    "the log groups of the service",
    lambda scope: (
        *_patterns("arn:{partition}:logs:{region}:{account}:log-group:/aws/ecs/{cluster}/{service}-*")(scope),
        *(
            f"arn:{scope.env.partition}:logs:{scope.env.region}:{scope.env.account}:log-group:{group}:*"
            for group in _log_groups(scope)
        ),
    ),
)
PASSED_TASK_ROLES = Resource(
    "PassedTaskRoles",
    "the service's access and instance role, which may be passed to ECS tasks only",
    lambda scope: (scope.env.access_role, scope.env.instance_role),
    ("iam:PassedToService", (TASKS,)),
)
PASSED_INFRASTRUCTURE_ROLE = Resource(
    "PassedInfrastructureRole",
    "the service's infrastructure role, which may be passed to ECS only",
    lambda scope: (environment_of(scope.settings, scope.environment).infrastructure_role,),
    ("iam:PassedToService", (ECS,)),
)
CALLED_SERVICES = Resource(
    "CalledServices",
    "the Express services of the region, only where `calls` names some: the names of those are in their own settings",
    lambda scope: patterns("arn:{partition}:ecs:{region}:{account}:service/*")(scope) if scope.settings.calls else (),
)
SERVICE_LINKED_ROLE = Resource(
    "ServiceLinkedRole",
    "ECS's own role, which it makes at an account's first service with the caller's permissions",
    patterns("arn:{partition}:iam::{account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"),
    ("iam:AWSServiceName", (ECS,)),
)


def _log_groups(scope: Scope) -> tuple[str, ...]:
    group = environment_of(scope.settings, scope.environment).log_group
    return (group,) if group else ()


FIND_CALLED = {CALLED_SERVICES: ("ecs:DescribeExpressGatewayService",)}
_NETWORK = (
    *("ec2:DescribeRouteTables", "ec2:DescribeSubnets", "elasticloadbalancing:DescribeLoadBalancers"),
    *("elasticloadbalancing:DescribeTargetGroups", "servicequotas:GetServiceQuota"),
)
_CHANGE = {
    TASK_DEFINITIONS: ("ecs:RegisterTaskDefinition",),
    PASSED_TASK_ROLES: ("iam:PassRole",),
    TARGET_GROUPS: ("elasticloadbalancing:ModifyTargetGroup",),
}
GRANTS: Grants = {
    Permission.OBSERVE: {
        ANY: ("elasticloadbalancing:DescribeTargetGroups",),
        SERVICE: ("ecs:DescribeExpressGatewayService", "ecs:ListServiceDeployments"),
        HISTORY: ("ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions"),
    },
    Permission.READ_OWNER: {SERVICE: ("ecs:DescribeExpressGatewayService",)},
    Permission.FIND_NAMES: {ANY: ("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeRules")},
    Permission.COUNT: {SERVICE: ("ecs:DescribeServices",)},
    Permission.FOLLOW: {SERVICE: ("ecs:DescribeServices",)},
    Permission.READ_LOGS: {
        SERVICE: ("ecs:DescribeServices",),
        CLUSTER_TASKS: ("ecs:ListTasks",),
        SERVICE_TASKS: ("ecs:DescribeTasks",),
        SERVICE_LOGS: ("logs:DescribeLogStreams", "logs:FilterLogEvents"),
    },
    Permission.LOOK_AT_NETWORK: {ANY: _NETWORK},
    Permission.INSPECT: {
        ANY: _NETWORK,
        CLUSTER: ("ecs:DescribeClusters",),
        SERVICE: ("ecs:DescribeExpressGatewayService",),
    },
    Permission.UPDATE_SERVICE: {SERVICE: ("ecs:UpdateExpressGatewayService",), **_CHANGE},
    # A service is created with a tag. With an account's first service, ECS creates the cluster and a role of its own.
    Permission.CREATE_SERVICE: {
        SERVICE: ("ecs:CreateExpressGatewayService", "ecs:TagResource"),
        CLUSTER: ("ecs:CreateCluster",),
        PASSED_INFRASTRUCTURE_ROLE: ("iam:PassRole",),
        SERVICE_LINKED_ROLE: ("iam:CreateServiceLinkedRole",),
        **_CHANGE,
    },
    Permission.PAUSE_SERVICE: {},  # ECS Express Mode has no pause
    Permission.RESUME_SERVICE: {},
    Permission.MOVE: {},  # no platform follows this one
    Permission.ABORT: {HISTORY: ("ecs:StopServiceDeployment",)},
    Permission.DELETE_SERVICE: {SERVICE: ("ecs:DeleteExpressGatewayService",)},
}


def parts(settings: Settings, environment: str, roles: Mapping[str, str], repository: str) -> list[Part]:
    """Return the parts of an environment's template.

    `repository` is an ARN. Raise SettingsError when the settings do not fit.
    The resources have other names than those for App Runner, because during a move the stack has the roles of both.
    """
    env = environment_of(settings, environment)
    log = (
        f"arn:{env.partition}:logs:{env.region}:{env.account}:log-group:{env.log_group or f'/aws/ecs/{env.cluster}/*'}"
    )
    trust, why = trusts_service(TASKS), "ECS pulls the image, passes the secrets to the tasks, and writes their log"
    resources = {
        "EcsAccessRole": role(roles["access-role"], why, trust, start_task(repository, env.secrets.values(), log)),
        "InfrastructureRole": role(
            roles["infrastructure-role"],
            "ECS makes the load balancer, its certificate and the scaling",
            trusts_service(ECS),
            None,
            managed=(f"arn:{env.partition}:iam::aws:policy/{MANAGED_POLICY}",),
        ),
    }
    if "instance-role" in roles:
        resources["EcsInstanceRole"] = role(roles["instance-role"], "the running service's own", trust, None)
    return [Part(resources)]
