"""App Runner's IAM actions for each right.

The service authorization reference ("list_apprunner") lists the resources that an action accepts.
"""

from slipway.release.rights import ANY, Grants, Resource, Right, Scope, patterns
from slipway.release.targets.app_runner.spec import environment_of

# To which service a role may be passed. The service authorization reference says bullet.amazonaws.com, AWS's own AWSAppRunnerFullAccess
# apprunner.amazonaws.com [G]; users report that both are refused and tasks.apprunner.amazonaws.com works [F]. The roles are named one by
# one and trust App Runner only, so all of them are allowed.
_APP_RUNNER = (
    "apprunner.amazonaws.com",
    "build.apprunner.amazonaws.com",
    "bullet.amazonaws.com",
    "tasks.apprunner.amazonaws.com",
)
_SERVICES = patterns("arn:aws:apprunner:{region}:{account}:service/{service}/*")


def _connectors(scope: Scope) -> tuple[str | None, ...]:
    there = environment_of(scope.settings, scope.environment)
    made = patterns("arn:aws:apprunner:{region}:{account}:vpcconnector/{service}/*")(scope) if there.network else ()
    return (*made, there.vpc_connector)


def _scalings(scope: Scope) -> tuple[str | None, ...]:
    """The configuration in use, and every revision of the one that bootstrap makes."""
    there = environment_of(scope.settings, scope.environment)
    own = patterns("arn:aws:apprunner:{region}:{account}:autoscalingconfiguration/{service}/*")
    return (*(own(scope) if there.scaling else ()), there.scaling_arn)


SERVICE = Resource("Service", "the App Runner service, by its name", _SERVICES)
SERVICE_AND_PARTS = Resource(
    "ServiceAndParts",
    "the App Runner service, its VPC connector and its auto scaling configuration, which the request names",
    lambda scope: (*_SERVICES(scope), *_connectors(scope), *_scalings(scope)),
)
SERVICE_LINKED_ROLE = Resource(
    "ServiceLinkedRole",
    "App Runner's own role, which it makes at an account's first service with the caller's permissions",
    patterns("arn:aws:iam::{account}:role/aws-service-role/apprunner.amazonaws.com/AWSServiceRoleForAppRunner"),
    ("iam:AWSServiceName", ("apprunner.amazonaws.com",)),
)
CONNECTORS = Resource("VpcConnectors", "the service's VPC connector", _connectors)
SCALINGS = Resource("AutoScaling", "the service's auto scaling configuration", _scalings)
SERVICE_LOGS = Resource(
    "ServiceLogs",
    "the log groups of the service",
    patterns("arn:aws:logs:{region}:{account}:log-group:/aws/apprunner/{service}/*"),
)
PASSED_ROLES = Resource(
    "PassedRoles",
    "the service's access and instance role, which may be passed to App Runner only",
    lambda scope: (scope.there.access_role, scope.there.instance_role),
    ("iam:PassedToService", _APP_RUNNER),
)

GRANTS: Grants = {
    Right.OBSERVE: {
        ANY: ("apprunner:ListServices",),
        SERVICE: ("apprunner:DescribeService", "apprunner:ListOperations"),
    },
    Right.READ_OWNER: {SERVICE: ("apprunner:ListTagsForResource",)},
    Right.FOLLOW: {SERVICE_LOGS: ("logs:FilterLogEvents",)},
    Right.READ_LOGS: {SERVICE_LOGS: ("logs:DescribeLogStreams", "logs:FilterLogEvents")},
    Right.INSPECT: {
        ANY: ("apprunner:ListServices",),
        SERVICE: ("apprunner:ListTagsForResource",),
        CONNECTORS: ("apprunner:DescribeVpcConnector",),
        SCALINGS: ("apprunner:DescribeAutoScalingConfiguration",),
    },
    Right.UPDATE_SERVICE: {SERVICE_AND_PARTS: ("apprunner:UpdateService",), PASSED_ROLES: ("iam:PassRole",)},
    # A service is created with a tag. At an account's first service App Runner makes a role of its own (developer guide, "Using
    # service-linked roles") [G].
    Right.CREATE_SERVICE: {
        SERVICE_LINKED_ROLE: ("iam:CreateServiceLinkedRole",),
        SERVICE_AND_PARTS: ("apprunner:CreateService",),
        SERVICE: ("apprunner:TagResource",),
    },
    Right.PAUSE_SERVICE: {SERVICE: ("apprunner:PauseService",)},
    Right.RESUME_SERVICE: {SERVICE: ("apprunner:ResumeService",)},
    # DeleteService also asks for the right to remove the service's custom domains.
    Right.DELETE_SERVICE: {SERVICE: ("apprunner:DeleteService", "apprunner:DisassociateCustomDomain")},
}
