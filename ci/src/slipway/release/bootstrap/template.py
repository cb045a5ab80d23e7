"""From the settings to templates: one for what the environments of an account share, and one for each environment.

Two stacks and not one with conditions, because each resource has one owner: staging's stack can be changed and deleted without
production's, whichever was made first. They know each other by names alone, so that both change sets can be shown before either is made.
Templates are JSON, which is CloudFormation's too: nothing that slipway ships writes YAML, and policies are JSON wherever they are read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.release.bootstrap import github, names, policies
from slipway.release.bootstrap import resources as made
from slipway.release.permissions import DEPLOY_ROLE, IMAGE_ROLE, joined, policy, scope_of
from slipway.release.rights import REPOSITORY, Policy
from slipway.settings import MigrationRunner, Network, Runner, Settings, SettingsError

_LOG_DAYS = 90
_SHARED = "shared"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack as it should be. `imports` says whether what is there already under its name becomes the stack's."""

    name: str
    region: str
    template: Mapping[str, Any]
    tags: Mapping[str, str]
    imports: bool = False

    @property
    def text(self) -> str:
        return json.dumps(self.template, indent=2) + "\n"


def stacks(settings: Settings, environment: str) -> tuple[Stack, Stack]:
    """What an environment needs: what it shares, and its own; raises SettingsError."""
    if environment == _SHARED:
        raise SettingsError(
            f"an environment called {_SHARED} cannot be told from what is shared", "give it another name"
        )
    names.check_own(settings, environment)
    return shared(settings, environment), own(settings, environment)


def shared(settings: Settings, environment: str) -> Stack:
    """The repository, and in one region of the account what is the whole account's: GitHub's provider, and the role that publishes."""
    there = settings.environment(environment)
    resources = {"Repository": made.repository(settings.name)}
    uri = f"{there.account}.dkr.ecr.{there.region}.amazonaws.com/{settings.name}"
    outputs = {
        "EcrRepository": _output("ECR_REPOSITORY of the GitHub repository's variables", uri),
        "AwsRegion": _output("AWS_REGION of the GitHub repository's variables", there.region),
    }
    if settings.github and there.region == _home_region(settings, there.account):
        role = names.image_role(settings)
        if settings.github.oidc_provider is None:
            resources["GithubProvider"] = made.oidc_provider()
        trust = github.trusts_branch(settings.github, there.account)
        why = "the jobs without an environment publish the image, and ask what a deployment would change"
        resources["ImageRole"] = made.role(role, why, trust, _of_image_role(settings, there.account))
        outputs["AwsRole"] = _output(
            "AWS_ROLE of the GitHub repository's variables", f"arn:aws:iam::{there.account}:role/{role}"
        )
    template = _template(f"What the environments of {settings.name} share", resources, outputs)
    tags = {"slipway:service": settings.name}
    return Stack(
        name=names.stack(settings.name, _SHARED), region=there.region, template=template, tags=tags, imports=True
    )


def own(settings: Settings, environment: str) -> Stack:
    """The roles of one environment, and what it needs to reach its database."""
    there = settings.environment(environment)
    parts = [_roles(settings, environment), _deploy_role(settings, environment)]
    if there.network:
        parts.append(_network(settings.service_name(environment), there.network))
    if there.scaling:
        parts.append(_scaling(settings, environment))
    if there.migration and there.migration.runner is Runner.ECS_TASK:
        parts.append(_migration(settings, environment, there.migration))
    resources = {name: found for part, _ in parts for name, found in part.items()}
    outputs = {name: found for _, part in parts for name, found in part.items()}
    template = _template(f"{settings.name} in {environment}", resources, outputs)
    tags = {"slipway:service": settings.name, "slipway:environment": environment}
    return Stack(name=names.stack(settings.name, environment), region=there.region, template=template, tags=tags)


Part = tuple[dict[str, Any], dict[str, Any]]


def _roles(settings: Settings, environment: str) -> Part:
    there, roles = settings.environment(environment), names.roles_of(settings, environment)
    pulling = policies.pull(_repository(settings, environment))
    trust = made.trusts_service("build.apprunner.amazonaws.com")
    resources = {"AccessRole": made.role(roles["access-role"], "App Runner pulls the image", trust, pulling)}
    if there.secrets and "instance-role" not in roles:
        raise SettingsError(
            f"{environment} has secrets and no instance-role", "name the role with which the service may read them"
        )
    if "instance-role" in roles:
        trust = made.trusts_service("tasks.apprunner.amazonaws.com")
        why = "the running service reads the secrets that its settings name, and no others"
        reading = policies.read_secrets(there.secrets.values())
        resources["InstanceRole"] = made.role(roles["instance-role"], why, trust, reading)
    return resources, {}


def _deploy_role(settings: Settings, environment: str) -> Part:
    if settings.github is None:
        return {}, {}
    account = settings.environment(environment).account
    name = names.deploy_role(settings, environment)
    trust = github.trusts_environment(settings.github, account, environment)
    allowed = policy(scope_of(settings, environment), DEPLOY_ROLE)
    role = made.role(name, f"the jobs of GitHub's environment {environment} deploy", trust, allowed)
    variable = f"AWS_ROLE of the variables of GitHub's environment {environment}"
    return {"DeployRole": role}, {"AwsRole": _output(variable, f"arn:aws:iam::{account}:role/{name}")}


def _network(service: str, network: Network) -> Part:
    group = {
        "GroupDescription": f"{service} reaches its database",
        "VpcId": network.vpc,
        "Tags": [{"Key": "Name", "Value": service}],
    }
    inward = {
        "GroupId": network.database_security_group,
        "Description": f"from {service}",
        "IpProtocol": "tcp",
        "FromPort": network.database_port,
        "ToPort": network.database_port,
        "SourceSecurityGroupId": {"Fn::GetAtt": ["SecurityGroup", "GroupId"]},
    }
    connector = {
        "VpcConnectorName": service,
        "Subnets": list(network.subnets),
        "SecurityGroups": [{"Fn::GetAtt": ["SecurityGroup", "GroupId"]}],
    }
    resources = {
        "SecurityGroup": made.resource("AWS::EC2::SecurityGroup", "the service, and a task that migrates", group),
        "DatabaseIngress": made.resource("AWS::EC2::SecurityGroupIngress", "the database lets them in", inward),
        "VpcConnector": made.resource("AWS::AppRunner::VpcConnector", "the service's way into the VPC", connector),
    }
    outputs = {
        "VpcConnector": _output("vpc-connector of the settings", {"Fn::GetAtt": ["VpcConnector", "VpcConnectorArn"]}),
        "SecurityGroup": _output(
            "migration.security-groups of the settings, where a task migrates",
            {"Fn::GetAtt": ["SecurityGroup", "GroupId"]},
        ),
    }
    return resources, outputs


def _scaling(settings: Settings, environment: str) -> Part:
    scaling = settings.environment(environment).scaling
    assert scaling
    properties = {
        "AutoScalingConfigurationName": names.scaling(settings, environment),
        "MaxConcurrency": scaling.concurrency,
        "MinSize": scaling.least,
        "MaxSize": scaling.most,
    }
    kind = "AWS::AppRunner::AutoScalingConfiguration"
    arn = {"Fn::GetAtt": ["AutoScaling", "AutoScalingConfigurationArn"]}
    made_of = {"AutoScaling": made.resource(kind, "how many instances the service has", properties)}
    return made_of, {"AutoScaling": _output("auto-scaling of the settings", arn)}


def _migration(settings: Settings, environment: str, migration: MigrationRunner) -> Part:
    there, roles = settings.environment(environment), names.roles_of(settings, environment)
    group = migration.log_group or f"/slipway/{settings.service_name(environment)}"
    arn = f"arn:aws:logs:{there.region}:{there.account}:log-group:{group}"
    trust = made.trusts_service("ecs-tasks.amazonaws.com")
    starting = policies.start_task(_repository(settings, environment), there.secrets.values(), arn)
    why = "ECS pulls the image, gives it its secrets, and writes its log"
    log = {"LogGroupName": group, "RetentionInDays": _LOG_DAYS}
    retained = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    resources = {
        "ExecutionRole": made.role(roles["migration.execution-role"], why, trust, starting),
        "MigrationLog": made.resource("AWS::Logs::LogGroup", "what the migrations have written", log, **retained),
    }
    if "migration.task-role" in roles:
        resources["TaskRole"] = made.role(roles["migration.task-role"], "the migration itself", trust, None)
    if migration.cluster != "default":  # every account has one of that name, or makes it at the first task
        cluster = {"ClusterName": migration.cluster}
        resources["Cluster"] = made.resource("AWS::ECS::Cluster", "where the task that migrates runs", cluster)
    return resources, {}


def _of_image_role(settings: Settings, account: str) -> Policy:
    """To publish into the account's repositories, and to plan for each of its environments."""
    here = [name for name, there in settings.environments.items() if there.account == account]
    return joined([policy(scope_of(settings, name), IMAGE_ROLE) for name in here])


def _home_region(settings: Settings, account: str) -> str:
    """Where what belongs to the whole account is made, once: the region of its first environment."""
    return next(there.region for there in settings.environments.values() if there.account == account)


def _repository(settings: Settings, environment: str) -> str:
    (arn,) = REPOSITORY.within(scope_of(settings, environment))
    return arn


def _template(description: str, resources: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    head = {"AWSTemplateFormatVersion": "2010-09-09", "Description": f"{description} (made by slipway bootstrap)"}
    return {**head, "Resources": dict(resources), **({"Outputs": dict(outputs)} if outputs else {})}


def _output(where: str, value: Any) -> dict[str, Any]:
    return {"Description": where, "Value": value}
