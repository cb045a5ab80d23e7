"""The CloudFormation templates for the settings.

One stack is for all services of an environment, one for all environments of a service, and one for a service in one
environment. There are several stacks instead of one with conditions, so that each resource has one owner: staging's
stack can be changed and deleted independently of production's. A service's stack imports the network from its
environment's stack. All other references are by name, so that all change sets can be shown before any is executed.
Templates are JSON, which CloudFormation accepts; slipway writes no YAML.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from slipway.release.bootstrap.doors import CALLS_TAG
from slipway.release.bootstrap.foundation import foundation
from slipway.release.bootstrap.roles import (
    DEPLOY_ROLE,
    IMAGE_ROLE,
    access_role,
    check_own,
    deploy_role,
    image_role,
    joined,
    moved_scope,
    oidc_provider,
    policy,
    roles_of,
    scope_of,
    trusts_jobs,
)
from slipway.release.bootstrap.server import access_part, main_secret, service_secrets
from slipway.release.cloudformation import Part, Resource, output, resource, retained, role, start_task, trusts_service
from slipway.release.permissions import REPOSITORY, Policy, Scope
from slipway.release.placement import Placement, placement_of, stack_name
from slipway.release.runners.access import access_log
from slipway.release.targets.supported import target_of
from slipway.settings import Environment, MigrationRunner, Settings, SettingsError

_LOG_DAYS = 90
_SHARED = "shared"
_TRIAL_DAYS = 14
CALLER, INGRESS = "SecurityGroup", "DatabaseIngress"  # names in a service's template


class StackKind(Enum):
    """The kind of a stack: for all services of an environment, for all environments of a service, or for one service in one environment."""

    FOUNDATION = "foundation"
    SHARED = "shared"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, kw_only=True)
class StackTemplate:
    """A desired stack."""

    kind: StackKind
    name: str
    region: str
    template: Mapping[str, Any]
    tags: Mapping[str, str]

    @property
    def text(self) -> str:
        return json.dumps(self.template, indent=2) + "\n"

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()}"


def stacks(settings: Settings, environment: str) -> tuple[StackTemplate, ...]:
    """Return the stacks that an environment needs, in the order of their creation.

    Raise SettingsError when the settings do not fit.
    """
    if environment == _SHARED:
        raise SettingsError(f"an environment called {_SHARED} has the name of the shared stack", "give it another name")
    check_own(settings, environment)
    beneath = _foundation(settings, environment)
    return (*beneath, shared(settings, environment), own(settings, environment))


def _foundation(settings: Settings, environment: str) -> tuple[StackTemplate, ...]:
    """Return the stack that the environment's services share; none when the team has its own network."""
    parts, name = foundation(settings, environment), stack_name(environment)
    if not parts:
        return ()
    if name in {stack_name(settings.name, other) for other in (*settings.environments, _SHARED)}:
        raise SettingsError(f"two stacks would be called {name}", f"rename the environment {environment}")
    made = StackTemplate(
        kind=StackKind.FOUNDATION,
        name=name,
        region=settings.environment(environment).region,
        template=_template(f"The network and database of {environment}", parts),
        tags={"slipway:environment": environment},
    )
    return (made,)


def check_same_foundation(services: Iterable[Settings], environment: str) -> None:
    """Raise SettingsError when the repository's services describe different networks or databases for an environment whose stack they share."""
    sharing = [each for each in services if environment in each.environments]
    stated: dict[str, list[str]] = {}
    for each in sorted(sharing, key=lambda settings: settings.name):
        for stack in _foundation(each, environment):
            own = each.environments[environment]
            key = json.dumps([own.account, own.region, stack.template["Resources"]], sort_keys=True)
            stated.setdefault(key, []).append(each.name)
    if len(stated) > 1:
        names = " and ".join(", ".join(group) for group in stated.values())
        raise SettingsError(
            f"{names} describe different networks or databases of {environment}, whose stack they share",
            'write the same network, database and migrations.postgres into each; private may differ where nat is "one"',
        )


def shared(settings: Settings, environment: str) -> StackTemplate:
    """Return the stack with the repositories.

    In one region of the account it also has GitHub's provider and the publishing role.
    """
    env = settings.environment(environment)
    beside = [
        name for name, each in settings.environments.items() if (each.account, each.region) == (env.account, env.region)
    ]
    uri = settings.repository(environment)
    parts = [
        Part(
            {
                "Repository": _repository(
                    settings.name, "the images of the service; none expires, because one may be live"
                ),
                "TrialRepository": _trial_repository(f"{settings.name}-try"),
                **{_ledger_resource(name): _ledger(settings, name) for name in beside},
            },
            {
                "EcrRepository": output("ECR_REPOSITORY of the GitHub repository's variables", uri),
                "AwsRegion": output("AWS_REGION of the GitHub repository's variables", env.region),
            },
        )
    ]
    if env.region == _home_region(settings, env.account):
        parts += _github_parts(settings, env)
    return StackTemplate(
        kind=StackKind.SHARED,
        name=stack_name(settings.name, _SHARED),
        region=env.region,
        template=_template(f"Shared by the environments of {settings.name}", parts),
        tags={"slipway:service": settings.name},
    )


def own(settings: Settings, environment: str) -> StackTemplate:
    """Return the stack with the roles of one environment, and with the rule that admits the service to the database."""
    env, scope = settings.environment(environment), scope_of(settings, environment)
    roles, (repository,) = roles_of(settings, environment), REPOSITORY.within(scope)
    parts = target_of(settings, environment).parts(settings, environment, roles, repository)
    if moved := moved_scope(scope):
        beside = roles_of(moved.settings, environment)
        parts += target_of(moved.settings, environment).parts(moved.settings, environment, beside, repository)
    parts += _deploying(scope)
    if placement := placement_of(env, environment):
        parts.append(_reach(settings.service_name(environment), placement, settings.calls))
    if env.database:
        names = {
            "Application": settings.database_secret(environment, owner=False),
            "Owner": settings.database_secret(environment, owner=True),
        }
        parts.append(service_secrets(settings.name, environment, names, settings.migrations))
        parts.append(_access(scope, repository, [main_secret(environment), *names.values()]))
    if scope.task:
        parts.append(_migration(scope, scope.task, roles))
    return StackTemplate(
        kind=StackKind.ENVIRONMENT,
        name=stack_name(settings.name, environment),
        region=env.region,
        template=_template(f"{settings.name} in {environment}", parts),
        tags={"slipway:service": settings.name, "slipway:environment": environment},
    )


def _repository(name: str, why: str, **properties: Any) -> Resource:
    """Return a repository, which outlives its stack because of its contents."""
    kept = {
        "RepositoryName": name,
        "ImageTagMutability": "IMMUTABLE",
        "ImageScanningConfiguration": {"ScanOnPush": True},
    }
    return retained("AWS::ECR::Repository", why, kept | properties)


def _ledger(settings: Settings, environment: str) -> Resource:
    why = f"the ledger of {environment}, which only its own role can write: tags are immutable, so two deployments cannot take the same number"
    return _repository(settings.ledger(environment), why)


def _ledger_resource(environment: str) -> str:
    """Return a ledger's name in the template, which consists of letters and digits."""
    return "Ledger" + "".join(part.capitalize() for part in re.split("[^A-Za-z0-9]+", environment))


def _trial_repository(name: str) -> Resource:
    """Return the only repository whose images expire.

    A lifecycle policy considers ages, numbers and tags, but not which digest is live. Roles that may push may also set
    tags. In a repository from which environments deploy, any such rule could therefore expire the digest in production.
    """
    selection = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": _TRIAL_DAYS}
    why = f"images that are only tried expire after {_TRIAL_DAYS} days; no environment deploys from here"
    rule = {"rulePriority": 1, "description": why, "selection": selection, "action": {"type": "expire"}}
    policy = json.dumps({"rules": [rule]}, separators=(",", ":"))
    return _repository(name, why, LifecyclePolicy={"LifecyclePolicyText": policy})


def _github_parts(settings: Settings, env: Environment) -> list[Part]:
    """Return GitHub's provider and the role of jobs without a GitHub environment."""
    if settings.github is None:
        return []
    name, why = image_role(settings), "the jobs without an environment publish the image and plan deployments"
    made = role(name, why, trusts_jobs(settings.github, env, None), _image_policy(settings, env.account))
    where = "AWS_ROLE of the GitHub repository's variables"
    part = Part({"ImageRole": made}, {"AwsRole": output(where, _role_arn(env, name))})
    return [part] if settings.github.oidc_provider else [Part({"GithubProvider": oidc_provider(env)}), part]


def _role_arn(env: Environment, name: str) -> str:
    return f"arn:{env.partition}:iam::{env.account}:role/{name}"


def _image_policy(settings: Settings, account: str) -> Policy:
    """Return the policy of jobs that publish to the account's repositories and plan changes of its environments."""
    here = [name for name, env in settings.environments.items() if env.account == account]
    return joined([policy(scope_of(settings, name), IMAGE_ROLE) for name in here])


def _home_region(settings: Settings, account: str) -> str:
    """Return the region for resources that an account has only once: that of its first environment."""
    return next(env.region for env in settings.environments.values() if env.account == account)


def _deploying(scope: Scope) -> list[Part]:
    """Return the role of jobs in the GitHub environment with this environment's name."""
    github, environment = scope.settings.github, scope.environment
    if github is None:
        return []
    name, why = deploy_role(scope.settings, environment), f"the jobs of GitHub's environment {environment} deploy"
    made = role(name, why, trusts_jobs(github, scope.env, environment), policy(scope, DEPLOY_ROLE))
    where = f"AWS_ROLE of the variables of GitHub's environment {environment}"
    return [Part({"DeployRole": made}, {"AwsRole": output(where, _role_arn(scope.env, name))})]


def _reach(service: str, placement: Placement, calls: Sequence[str]) -> Part:
    """Return the service's security group, and the rule that admits it to the database's.

    A tag names the services that it calls.
    """
    calling = [{"Key": CALLS_TAG, "Value": " ".join(calls)}] if calls else []
    group = {
        "GroupDescription": f"{service} reaches its database",
        "VpcId": placement.vpc,
        "Tags": [{"Key": "Name", "Value": service}, *calling],
    }
    group_id = {"Fn::GetAtt": [CALLER, "GroupId"]}
    made = {CALLER: resource("AWS::EC2::SecurityGroup", "of the service, and of a task that migrates", group)}
    if placement.database_group:
        inward = {
            "GroupId": placement.database_group,
            "Description": f"from {service}",
            "IpProtocol": "tcp",
            "FromPort": placement.port,
            "ToPort": placement.port,
            "SourceSecurityGroupId": group_id,
        }
        made[INGRESS] = resource("AWS::EC2::SecurityGroupIngress", "the database lets them in", inward)
    where = "security-groups and migration.security-groups of the settings"
    return Part(made, {"SecurityGroup": output(where, group_id)})


def _migration(scope: Scope, task: MigrationRunner, roles: Mapping[str, str]) -> Part:
    group, (repository,) = scope.names["log_group"], REPOSITORY.within(scope)
    arn = f"arn:{scope.env.partition}:logs:{scope.env.region}:{scope.env.account}:log-group:{group}"
    trust = trusts_service("ecs-tasks.amazonaws.com")
    secrets = {**scope.env.secrets, **scope.settings.database_secrets(scope.environment, owner=True)}
    starting = start_task(repository, secrets.values(), arn)
    log = {"LogGroupName": group, "RetentionInDays": _LOG_DAYS}
    why = "ECS pulls the image, passes the secrets to the task, and writes its log"
    resources = {
        "ExecutionRole": role(roles["migration.execution-role"], why, trust, starting),
        "MigrationLog": retained("AWS::Logs::LogGroup", "the output of the migrations", log),
    }
    if "migration.task-role" in roles:
        resources["TaskRole"] = role(roles["migration.task-role"], "the migration's own", trust, None)
    if task.cluster != "default":  # the default cluster exists in every account, or is created with the first task
        cluster = {"ClusterName": task.cluster}
        resources["Cluster"] = resource("AWS::ECS::Cluster", "where the task that migrates runs", cluster)
    return Part(resources)


def _access(scope: Scope, repository: str, names: Iterable[str]) -> Part:
    """Return the resources for the task that creates the service's roles and database.

    It may read these secrets and those of their users.
    """
    env = scope.env
    secrets = [
        f"arn:{env.partition}:secretsmanager:{env.region}:{env.account}:secret:{name}{user}"
        for name in names
        for user in ("", "/user")
    ]
    name = access_role(scope.settings, scope.environment)
    log = access_log(scope.settings.service_name(scope.environment))
    return access_part(name, repository, secrets, log, env)


def _template(description: str, parts: Iterable[Part]) -> dict[str, Any]:
    made = list(parts)
    resources = {name: each for part in made for name, each in part.resources.items()}
    outputs = {name: each for part in made for name, each in part.outputs.items()}
    head = {"AWSTemplateFormatVersion": "2010-09-09", "Description": f"{description} (made by slipway bootstrap)"}
    return {**head, "Resources": resources, **({"Outputs": outputs} if outputs else {})}
