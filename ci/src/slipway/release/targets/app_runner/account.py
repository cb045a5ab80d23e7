"""App Runner in an account: the IAM actions of each permission, and the resources that bootstrap creates for an environment.

The service authorization reference ("list_apprunner") lists the resources that an action accepts.
"""

import re
from collections.abc import Mapping

from slipway.release.cloudformation import Part, output, pull, read_secrets, resource, role, trusts_service
from slipway.release.permissions import ANY, Grants, Permission, Resource, Scope, patterns
from slipway.release.placement import Placement, placement_of
from slipway.release.targets.app_runner.preflight import BUILD, TASKS
from slipway.release.targets.app_runner.spec import environment_of
from slipway.settings import Scaling, Settings, SettingsError
from slipway.settings.app_runner import NONE

# The services to which a role may be passed. AWS's documents disagree: the service authorization reference has
# bullet.amazonaws.com, its policy AWSAppRunnerFullAccess has apprunner.amazonaws.com [G], and users report that only
# tasks.apprunner.amazonaws.com works [F]. The policy names the roles one by one, and these trust App Runner only, so
# all of the services are allowed.
_APP_RUNNER = ("apprunner.amazonaws.com", BUILD, "bullet.amazonaws.com", TASKS)
_SCALING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{3,31}")  # [M]
_SERVICES = patterns("arn:{partition}:apprunner:{region}:{account}:service/{service}/*")


def _connectors(scope: Scope) -> tuple[str | None, ...]:
    env = environment_of(scope.settings, scope.environment)
    made = (
        patterns("arn:{partition}:apprunner:{region}:{account}:vpcconnector/{service}/*")(scope) if env.network else ()
    )
    return (*made, None if env.vpc_connector == NONE else env.vpc_connector)


def _scalings(scope: Scope) -> tuple[str | None, ...]:
    """Return the configuration in use, and every revision of the one that bootstrap creates."""
    env = environment_of(scope.settings, scope.environment)
    own = patterns("arn:{partition}:apprunner:{region}:{account}:autoscalingconfiguration/{service}/*")
    return (*(own(scope) if env.scaling else ()), env.scaling_arn)


def _tracing(scope: Scope) -> tuple[str | None, ...]:
    env = environment_of(scope.settings, scope.environment)
    return (None if env.tracing == NONE else env.tracing,)


SERVICE = Resource("Service", "the App Runner service, by its name", _SERVICES)
SERVICE_AND_PARTS = Resource(
    "ServiceAndParts",
    "the App Runner service, its VPC connector, auto scaling and observability configuration, which the request names",
    lambda scope: (*_SERVICES(scope), *_connectors(scope), *_scalings(scope), *_tracing(scope)),
)
SERVICE_LINKED_ROLE = Resource(
    "ServiceLinkedRole",
    "App Runner's own role, which it makes at an account's first service with the caller's permissions",
    patterns("arn:{partition}:iam::{account}:role/aws-service-role/apprunner.amazonaws.com/AWSServiceRoleForAppRunner"),
    ("iam:AWSServiceName", ("apprunner.amazonaws.com",)),
)
CONNECTORS = Resource("VpcConnectors", "the service's VPC connector", _connectors)
SCALINGS = Resource("AutoScaling", "the service's auto scaling configuration", _scalings)
TRACING = Resource("Tracing", "the service's observability configuration", _tracing)
SERVICE_LOGS = Resource(
    "ServiceLogs",
    "the log groups of the service",
    patterns("arn:{partition}:logs:{region}:{account}:log-group:/aws/apprunner/{service}/*"),
)
PASSED_ROLES = Resource(
    "PassedRoles",
    "the service's access and instance role, which may be passed to App Runner only",
    lambda scope: (scope.env.access_role, scope.env.instance_role),
    ("iam:PassedToService", _APP_RUNNER),
)

ZONES = Resource(
    "Zones",
    "the hosted zones of the account: that of the service's names",
    patterns("arn:{partition}:route53:::hostedzone/*"),
)
ZONE_CHANGES = Resource("ZoneChanges", "changes of hosted zones", patterns("arn:{partition}:route53:::change/*"))
CERTIFICATES = Resource(
    "Certificates",
    "certificates for the service's names",
    patterns("arn:{partition}:acm:{region}:{account}:certificate/*"),
)
LISTENERS = Resource(
    "Listeners",
    "listeners of load balancers: ECS chooses their names",
    patterns("arn:{partition}:elasticloadbalancing:{region}:{account}:listener/app/*"),
)
LISTENER_RULES = Resource(
    "ListenerRules",
    "rules of listeners: ECS chooses their names",
    patterns("arn:{partition}:elasticloadbalancing:{region}:{account}:listener-rule/app/*"),
)

GRANTS: Grants = {
    Permission.OBSERVE: {
        ANY: ("apprunner:ListServices",),
        SERVICE: ("apprunner:DescribeService", "apprunner:ListOperations"),
    },
    Permission.READ_OWNER: {SERVICE: ("apprunner:ListTagsForResource",)},
    Permission.FIND_NAMES: {},  # App Runner uses no load balancer of the account
    Permission.LOOK_AT_NETWORK: {},  # nor subnets
    Permission.COUNT: {},  # App Runner does not report the number of instances
    Permission.FOLLOW: {SERVICE_LOGS: ("logs:FilterLogEvents",)},
    Permission.READ_LOGS: {SERVICE_LOGS: ("logs:DescribeLogStreams", "logs:FilterLogEvents")},
    Permission.INSPECT: {
        ANY: ("apprunner:ListServices",),
        SERVICE: ("apprunner:ListTagsForResource",),
        CONNECTORS: ("apprunner:DescribeVpcConnector",),
        SCALINGS: ("apprunner:DescribeAutoScalingConfiguration",),
        TRACING: ("apprunner:DescribeObservabilityConfiguration",),
    },
    Permission.UPDATE_SERVICE: {SERVICE_AND_PARTS: ("apprunner:UpdateService",), PASSED_ROLES: ("iam:PassRole",)},
    # A service is created with a tag. With an account's first service, App Runner creates a role of its own (developer
    # guide, "Using service-linked roles") [G].
    Permission.CREATE_SERVICE: {
        SERVICE_LINKED_ROLE: ("iam:CreateServiceLinkedRole",),
        SERVICE_AND_PARTS: ("apprunner:CreateService",),
        SERVICE: ("apprunner:TagResource",),
    },
    Permission.PAUSE_SERVICE: {SERVICE: ("apprunner:PauseService",)},
    Permission.RESUME_SERVICE: {SERVICE: ("apprunner:ResumeService",)},
    # Names are searched by their zone, whose id the settings do not have. A certificate is requested when there is
    # none.
    Permission.MOVE: {
        ANY: (
            *("acm:ListCertificates", "acm:RequestCertificate", "cloudwatch:GetMetricData"),
            *("elasticloadbalancing:DescribeListenerCertificates", "elasticloadbalancing:DescribeLoadBalancers"),
            *("elasticloadbalancing:DescribeRules", "route53:ListHostedZonesByName"),
        ),
        SERVICE: ("apprunner:DescribeCustomDomains",),
        ZONES: ("route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"),
        ZONE_CHANGES: ("route53:GetChange",),
        CERTIFICATES: ("acm:DescribeCertificate",),
        LISTENERS: ("elasticloadbalancing:AddListenerCertificates",),
        LISTENER_RULES: ("elasticloadbalancing:ModifyRule",),
    },
    Permission.ABORT: {},  # App Runner cannot abort an operation
    # DeleteService also requires the permission to remove the service's custom domains.
    Permission.DELETE_SERVICE: {SERVICE: ("apprunner:DeleteService", "apprunner:DisassociateCustomDomain")},
}


def parts(settings: Settings, environment: str, roles: Mapping[str, str], repository: str) -> list[Part]:
    """Return the parts of an environment's template.

    `repository` is an ARN. Raise SettingsError when the settings do not fit.
    """
    env, name = environment_of(settings, environment), settings.service_name(environment)
    made = [_roles(settings, environment, roles, repository)]
    if placement := placement_of(env, environment):
        made.append(_connector(name, placement))
    if env.scaling:
        made.append(_scaling(_checked(name, environment), env.scaling))
    return made


def _roles(settings: Settings, environment: str, roles: Mapping[str, str], repository: str) -> Part:
    env = environment_of(settings, environment)
    access = role(roles["access-role"], "App Runner pulls the image", trusts_service(BUILD), pull(repository))
    if "instance-role" not in roles:
        if env.secrets:
            raise SettingsError(
                f"{environment} has secrets and no instance-role", "name the role with which the service may read them"
            )
        return Part({"AccessRole": access})
    why = "the running service reads the secrets that its settings name, and no others"
    reading = read_secrets(env.secrets.values())
    instance = role(roles["instance-role"], why, trusts_service(TASKS), reading)
    return Part({"AccessRole": access, "InstanceRole": instance})


def _connector(service: str, placement: Placement) -> Part:
    group = {"Fn::GetAtt": ["SecurityGroup", "GroupId"]}  # bootstrap creates this group for every target
    connector = {"VpcConnectorName": service, "Subnets": list(placement.subnets), "SecurityGroups": [group]}
    arn = {"Fn::GetAtt": ["VpcConnector", "VpcConnectorArn"]}
    made = resource("AWS::AppRunner::VpcConnector", "the service's way into the VPC", connector)
    return Part({"VpcConnector": made}, {"VpcConnector": output("vpc-connector of the settings", arn)})


def _scaling(name: str, scaling: Scaling) -> Part:
    properties = {
        "AutoScalingConfigurationName": name,
        "MaxConcurrency": scaling.concurrency,
        "MinSize": scaling.least,
        "MaxSize": scaling.most,
    }
    arn = {"Fn::GetAtt": ["AutoScaling", "AutoScalingConfigurationArn"]}
    made = resource("AWS::AppRunner::AutoScalingConfiguration", "how many instances the service has", properties)
    return Part({"AutoScaling": made}, {"AutoScaling": output("auto-scaling of the settings", arn)})


def _checked(name: str, environment: str) -> str:
    """Return the name of an auto scaling configuration. Raise SettingsError when App Runner does not accept it."""
    if not _SCALING_NAME.fullmatch(name):
        raise SettingsError(
            f"App Runner accepts no auto scaling configuration called {name!r}",
            f"set service in [tool.slipway.environments.{environment}] to 32 letters at most",
        )
    return name
