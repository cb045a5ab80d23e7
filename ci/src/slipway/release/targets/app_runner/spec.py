"""A service on App Runner: the desired one, the requests that create or update it, and App Runner's description of it.

Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any, ClassVar

from slipway.records.image import Reference
from slipway.records.plan import Observed, State
from slipway.release.engine.plan import ABSENT, ServiceSpec, health_check, health_pace, values_of
from slipway.settings import AppRunnerEnvironment, HealthPace, Settings, SettingsError
from slipway.settings.app_runner import Ingress, IpAddresses, default_scaling
from slipway.workload.workload import HealthCheck

_USUAL_PACE = HealthPace()  # App Runner's defaults [M], which its descriptions may leave out
_PACE = "Interval", "Timeout", "HealthyThreshold", "UnhealthyThreshold"
_IP_TYPES = {IpAddresses.IPV4.value: "IPV4", IpAddresses.DUAL_STACK.value: "DUAL_STACK"}
INTERNET = "internet"
_STATES = {
    "RUNNING": State.LIVE,
    "OPERATION_IN_PROGRESS": State.BUSY,
    "CREATE_FAILED": State.CREATE_FAILED,
    "PAUSED": State.PAUSED,
    "DELETED": State.ABSENT,
    "DELETE_FAILED": State.DELETE_FAILED,
}
_ANSWERING = (State.LIVE, State.BUSY)  # the service answers only in these states
# UpdateService keeps fields that are not sent, and refuses empty values for these two.
_INHERITED = ("start command", "instance role")


@dataclass(frozen=True, kw_only=True)
class AppRunnerSpec(ServiceSpec):
    """The desired service, with the fields that only App Runner has.

    - open: the values of fields that the settings may leave open, by their names in a plan. A missing field keeps its
      live value.
    - tags: set when the service is created.
    """

    fixed: ClassVar[tuple[str, ...]] = ("KMS key",)

    start_command: str = ABSENT
    open: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, str]:
        own = {"automatic deployments": "false", "start command": self.start_command}
        return super().plain() | own | dict(self.open)

    def over(self, live: Mapping[str, str]) -> "AppRunnerSpec":
        """Return the spec with the fields that the settings leave open: live values, or those that App Runner gives a new service."""
        account, _, _, region, *_ = self.image.repository.split(".")
        usual = {
            "health pace": health_pace(*astuple(_USUAL_PACE)),
            "auto scaling": default_scaling(region, account),
            "egress": INTERNET,
            "ingress": Ingress.PUBLIC.value,
            "IP addresses": IpAddresses.IPV4.value,
            "tracing": ABSENT,
            "KMS key": ABSENT,
        }
        kept = {name: value for name, value in live.items() if name in usual}
        return replace(self, open=usual | kept | dict(self.open))

    @property
    def pace(self) -> HealthPace:
        """The pace of health checks; App Runner's default while the settings leave it open."""
        numbers = map(int, re.findall(r"\d+", self.open.get("health pace", "")))
        return replace(_USUAL_PACE, **dict(zip(vars(_USUAL_PACE), numbers, strict=False)))


def environment_of(settings: Settings, environment: str) -> AppRunnerEnvironment:
    """Return an environment on App Runner. Raise SettingsError when there is none of that name."""
    env = settings.environment(environment)
    assert isinstance(env, AppRunnerEnvironment)
    return env


def spec_of(settings: Settings, environment: str, digest: str) -> AppRunnerSpec:
    """Return the desired service of an environment. Raise SettingsError when the settings do not fit."""
    env = environment_of(settings, environment)
    if env.database and not env.migration:
        table = f"[tool.slipway.environments.{environment}]"
        raise SettingsError(
            f"{environment} has a managed database, and nothing migrates it: App Runner runs no tasks",
            f'add a table migration to {table} with runner = "ecs-task", an execution-role, and the subnets and security-groups that `slipway bootstrap` prints',
        )
    return AppRunnerSpec(
        environment=environment,
        name=settings.service_name(environment),
        image=Reference(settings.repository(environment), digest),
        port=settings.port,
        health_path=settings.health_path,
        cpu=env.cpu,
        memory=env.memory,
        access_role=env.access_role,
        instance_role=env.instance_role,
        start_command=env.start_command or ABSENT,
        open={name: value for name, value in _chosen(env).items() if value is not None},
        tags=env.tags,
        variables=env.variables,
        secrets=env.secrets,
    )


def _chosen(env: AppRunnerEnvironment) -> dict[str, str | None]:
    return {
        "health pace": health_pace(*astuple(env.health_check)) if env.health_check else None,
        "auto scaling": env.auto_scaling,
        "egress": INTERNET if env.vpc_connector == ABSENT else env.vpc_connector,
        "ingress": env.ingress and env.ingress.value,
        "IP addresses": env.ip_addresses and env.ip_addresses.value,
        "tracing": env.tracing,
        "KMS key": env.kms_key,
    }


def own(spec: ServiceSpec | None) -> AppRunnerSpec:
    """Return the spec as an AppRunnerSpec."""
    assert isinstance(spec, AppRunnerSpec)
    return spec


def health_of(spec: ServiceSpec) -> HealthCheck:
    """Return the health check that App Runner will use for an instance."""
    return HealthCheck(path=spec.health_path, **vars(own(spec).pace))


def request_of(spec: AppRunnerSpec) -> dict[str, Any]:
    """Return the common part of CreateService and UpdateService, for a spec without open fields."""
    protocol = {"Protocol": "HTTP", "Path": spec.health_path} if spec.health_path else {"Protocol": "TCP"}
    connector, tracing = spec.open["egress"], spec.open["tracing"]
    to_vpc = {"EgressType": "VPC", "VpcConnectorArn": connector}
    traced = {"ObservabilityEnabled": True, "ObservabilityConfigurationArn": tracing}
    return {
        "SourceConfiguration": {
            "ImageRepository": {
                "ImageIdentifier": str(spec.image),
                "ImageRepositoryType": "ECR",
                "ImageConfiguration": {
                    "Port": str(spec.port),
                    "RuntimeEnvironmentVariables": dict(spec.variables),
                    "RuntimeEnvironmentSecrets": dict(spec.secrets),
                }
                | ({} if spec.start_command == ABSENT else {"StartCommand": spec.start_command}),
            },
            "AutoDeploymentsEnabled": False,
            "AuthenticationConfiguration": {"AccessRoleArn": spec.access_role},
        },
        "InstanceConfiguration": {"Cpu": str(spec.cpu), "Memory": str(spec.memory)}
        | ({"InstanceRoleArn": spec.instance_role} if spec.instance_role else {}),
        "HealthCheckConfiguration": protocol | dict(zip(_PACE, astuple(spec.pace), strict=True)),
        "AutoScalingConfigurationArn": spec.open["auto scaling"],
        "NetworkConfiguration": {
            "EgressConfiguration": {"EgressType": "DEFAULT"} if connector == INTERNET else to_vpc,
            "IngressConfiguration": {"IsPubliclyAccessible": spec.open["ingress"] == Ingress.PUBLIC.value},
            "IpAddressType": _IP_TYPES[spec.open["IP addresses"]],
        },
        "ObservabilityConfiguration": {"ObservabilityEnabled": False} if tracing == ABSENT else traced,
    }


def creation_of(spec: AppRunnerSpec) -> dict[str, Any]:
    """Return the request that creates a service, without the owner's tag."""
    wanted = spec.over({})
    key = wanted.open["KMS key"]
    return request_of(wanted) | ({} if key == ABSENT else {"EncryptionConfiguration": {"KmsKey": key}})


def update_of(spec: AppRunnerSpec, live: Mapping[str, str]) -> dict[str, Any]:
    """Return the request that updates a live service.

    Open parts are not sent, because the deploy role may lack permission for their resources.
    """
    parts = {
        "AutoScalingConfigurationArn": ("auto scaling",),
        "NetworkConfiguration": ("egress", "ingress", "IP addresses"),
        "ObservabilityConfiguration": ("tracing",),
    }
    left = {part for part, names in parts.items() if not set(names) & set(spec.open)}
    return {part: value for part, value in request_of(spec.over(live)).items() if part not in left}


def observed_from(service: Mapping[str, Any], operation: str | None) -> Observed:
    """Convert a described service to the fields of a plan."""
    source, instance = service["SourceConfiguration"], service["InstanceConfiguration"]
    network, check = service.get("NetworkConfiguration", {}), service.get("HealthCheckConfiguration", {})
    is_public = network.get("IngressConfiguration", {}).get("IsPubliclyAccessible", True)
    tracing = service.get("ObservabilityConfiguration", {})
    pace = [check.get(key, usual) for key, usual in zip(_PACE, astuple(_USUAL_PACE), strict=True)]
    repository = source.get("ImageRepository", {})
    image, settings = repository.get("ImageIdentifier", ""), repository.get("ImageConfiguration", {})
    fields = {
        "image": image,
        "port": settings.get("Port", ""),
        "health check": health_check(check.get("Path") if check.get("Protocol") == "HTTP" else None),
        "health pace": health_pace(*pace),
        "cpu": instance.get("Cpu", ""),
        "memory": instance.get("Memory", ""),
        "access role": source.get("AuthenticationConfiguration", {}).get("AccessRoleArn", ABSENT),
        "instance role": instance.get("InstanceRoleArn", ABSENT),
        "automatic deployments": str(source.get("AutoDeploymentsEnabled", True)).lower(),
        "start command": settings.get("StartCommand", ABSENT),
        "auto scaling": service.get("AutoScalingConfigurationSummary", {}).get("AutoScalingConfigurationArn", ABSENT),
        "egress": network.get("EgressConfiguration", {}).get("VpcConnectorArn", INTERNET),
        "ingress": (Ingress.PUBLIC if is_public else Ingress.PRIVATE).value,
        "IP addresses": network.get("IpAddressType", "IPV4").lower().replace("_", "-"),
        "tracing": tracing.get("ObservabilityConfigurationArn", ABSENT)
        if tracing.get("ObservabilityEnabled")
        else ABSENT,
        "KMS key": service.get("EncryptionConfiguration", {}).get("KmsKey", ABSENT),
    }
    values = values_of(settings.get("RuntimeEnvironmentVariables", {}), settings.get("RuntimeEnvironmentSecrets", {}))
    state = state_of(service["Status"])
    return Observed(
        arn=service["ServiceArn"],
        url=service.get("ServiceUrl"),
        status=service["Status"],
        digest=Reference.digest_in(image) if state in _ANSWERING else None,
        fields=fields | values,
        operation=operation,
        inherited=_INHERITED,
        private=not is_public,
        state=state,
    )


def state_of(word: str) -> State:
    return _STATES.get(word, State.UNKNOWN)
