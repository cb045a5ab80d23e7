"""The resources of an environment on App Runner: two roles, a way into the VPC, an auto scaling configuration."""

import re
from collections.abc import Mapping

from slipway.release.cloudformation import Part, output, pull, read_secrets, resource, role, trusts_service
from slipway.release.targets.app_runner.preflight import BUILD, TASKS
from slipway.release.targets.app_runner.spec import environment_of
from slipway.settings import Network, Scaling, Settings, SettingsError

_SCALING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{3,31}")  # [M]


def parts(settings: Settings, environment: str, roles: Mapping[str, str], repository: str) -> list[Part]:
    """Return the parts of an environment's template; `repository` is an ARN. Raises SettingsError."""
    there, name = environment_of(settings, environment), settings.service_name(environment)
    made = [_roles(settings, environment, roles, repository)]
    if there.network:
        made.append(_network(name, there.network))
    if there.scaling:
        made.append(_scaling(_checked(name, environment), there.scaling))
    return made


def _roles(settings: Settings, environment: str, roles: Mapping[str, str], repository: str) -> Part:
    there = environment_of(settings, environment)
    access = role(roles["access-role"], "App Runner pulls the image", trusts_service(BUILD), pull(repository))
    if "instance-role" not in roles:
        if there.secrets:
            raise SettingsError(
                f"{environment} has secrets and no instance-role", "name the role with which the service may read them"
            )
        return Part({"AccessRole": access})
    why = "the running service reads the secrets that its settings name, and no others"
    reading = read_secrets(there.secrets.values())
    instance = role(roles["instance-role"], why, trusts_service(TASKS), reading)
    return Part({"AccessRole": access, "InstanceRole": instance})


def _network(service: str, network: Network) -> Part:
    group = {"Fn::GetAtt": ["SecurityGroup", "GroupId"]}  # bootstrap makes it for every target
    connector = {"VpcConnectorName": service, "Subnets": list(network.subnets), "SecurityGroups": [group]}
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
    """Return the name of an auto scaling configuration; raises SettingsError when App Runner does not accept it."""
    if not _SCALING_NAME.fullmatch(name):
        raise SettingsError(
            f"App Runner accepts no auto scaling configuration called {name!r}",
            f"set service in [tool.slipway.environments.{environment}] to 32 letters at most",
        )
    return name
