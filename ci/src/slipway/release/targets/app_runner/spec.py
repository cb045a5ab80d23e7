"""A service on App Runner: as it is desired, as the request that creates or updates it, and as App Runner describes it. Pure."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from slipway.errors import BadInputError
from slipway.records.image import Reference
from slipway.records.plan import Observed, State
from slipway.release.engine.plan import ABSENT, ServiceSpec, health_check, values_of
from slipway.settings import AppRunnerEnvironment, HealthPace, Settings
from slipway.workload.workload import HealthCheck

# App Runner's own defaults [M], which it may leave out of a description.
_USUAL = HealthPace(interval=5, timeout=2, healthy_threshold=1, unhealthy_threshold=5)
_PACE = "Interval", "Timeout", "HealthyThreshold", "UnhealthyThreshold"
_STATES = {
    "RUNNING": State.LIVE,
    "OPERATION_IN_PROGRESS": State.BUSY,
    "CREATE_FAILED": State.CREATE_FAILED,
    "PAUSED": State.PAUSED,
    "DELETED": State.ABSENT,
    "DELETE_FAILED": State.DELETE_FAILED,
}
_ANSWERING = (State.LIVE, State.BUSY)  # in any other state the service does not answer
# UpdateService keeps a field that it is not sent, and refuses these two empty.
_INHERITED = ("start command", "instance role")


@dataclass(frozen=True, kw_only=True)
class AppRunnerSpec(ServiceSpec):
    """The service with the fields that only App Runner has."""

    auto_scaling: str
    vpc_connector: str | None = None
    pace: HealthPace = _USUAL

    def plain(self) -> dict[str, str]:
        return super().plain() | {
            "health check": paced(self.health_path, astuple(self.pace)),
            "automatic deployments": "false",
            "start command": ABSENT,
            "auto scaling": self.auto_scaling,
            "egress": self.vpc_connector or "internet",
            "ingress": "public, IPV4",
            "tracing": "false",
        }


def environment_of(settings: Settings, environment: str) -> AppRunnerEnvironment:
    """Return an environment whose target is App Runner; raises SettingsError when there is none of that name."""
    there = settings.environment(environment)
    assert isinstance(there, AppRunnerEnvironment)
    return there


def spec_of(settings: Settings, environment: str, digest: str) -> AppRunnerSpec:
    """Return the desired service of an environment; raises SettingsError when the settings do not have it."""
    there = environment_of(settings, environment)
    return AppRunnerSpec(
        environment=environment,
        name=settings.service_name(environment),
        image=Reference(settings.repository(environment), digest),
        port=settings.port,
        health_path=settings.health_path,
        cpu=there.cpu,
        memory=there.memory,
        access_role=there.access_role,
        instance_role=there.instance_role,
        auto_scaling=there.scaling_arn,
        vpc_connector=there.vpc_connector,
        pace=there.health_check,
        variables=there.variables,
        secrets=there.secrets,
    )


def own(spec: ServiceSpec | None) -> AppRunnerSpec:
    """Return a spec that is known to be App Runner's."""
    assert isinstance(spec, AppRunnerSpec)
    return spec


def paced(path: str | None, pace: tuple[int, ...]) -> str:
    """Return a health check as a plan names it, with its pace where that differs from the default."""
    interval, timeout, healthy, unhealthy = pace
    usual = pace == astuple(_USUAL)
    return health_check(path) + (
        "" if usual else f" every {interval} s, {timeout} s long, {healthy} up, {unhealthy} down"
    )


def described_health(check: Mapping[str, Any]) -> str:
    """Return a health check that App Runner describes as a plan names it; App Runner may leave out its defaults."""
    path = check.get("Path") if check.get("Protocol") == "HTTP" else None
    return paced(path, tuple(check.get(key, usual) for key, usual in zip(_PACE, astuple(_USUAL), strict=True)))


def health_of(spec: ServiceSpec) -> HealthCheck:
    """Return how App Runner will check an instance."""
    return HealthCheck(path=spec.health_path, **vars(own(spec).pace))


def request_of(spec: AppRunnerSpec) -> dict[str, Any]:
    """Return the part that CreateService and UpdateService share."""
    protocol = {"Protocol": "HTTP", "Path": spec.health_path} if spec.health_path else {"Protocol": "TCP"}
    connector = spec.vpc_connector
    egress = {"EgressType": "VPC", "VpcConnectorArn": connector} if connector else {"EgressType": "DEFAULT"}
    return {
        "SourceConfiguration": {
            "ImageRepository": {
                "ImageIdentifier": str(spec.image),
                "ImageRepositoryType": "ECR",
                "ImageConfiguration": {
                    "Port": str(spec.port),
                    "RuntimeEnvironmentVariables": dict(spec.variables),
                    "RuntimeEnvironmentSecrets": dict(spec.secrets),
                },
            },
            "AutoDeploymentsEnabled": False,
            "AuthenticationConfiguration": {"AccessRoleArn": spec.access_role},
        },
        "InstanceConfiguration": {"Cpu": str(spec.cpu), "Memory": str(spec.memory)}
        | ({"InstanceRoleArn": spec.instance_role} if spec.instance_role else {}),
        "HealthCheckConfiguration": protocol | dict(zip(_PACE, astuple(spec.pace), strict=True)),
        "AutoScalingConfigurationArn": spec.auto_scaling,
        "NetworkConfiguration": {
            "EgressConfiguration": egress,
            "IngressConfiguration": {"IsPubliclyAccessible": True},
            "IpAddressType": "IPV4",
        },
        "ObservabilityConfiguration": {"ObservabilityEnabled": False},
    }


def observed_from(service: Mapping[str, Any], operation: str | None) -> Observed:
    """Convert a described service to the fields of a plan."""
    source, instance = service["SourceConfiguration"], service["InstanceConfiguration"]
    network = service.get("NetworkConfiguration", {})
    public = network.get("IngressConfiguration", {}).get("IsPubliclyAccessible", True)
    repository = source.get("ImageRepository", {})
    image, settings = repository.get("ImageIdentifier", ""), repository.get("ImageConfiguration", {})
    fields = {
        "image": image,
        "port": settings.get("Port", ""),
        "health check": described_health(service.get("HealthCheckConfiguration", {})),
        "cpu": instance.get("Cpu", ""),
        "memory": instance.get("Memory", ""),
        "access role": source.get("AuthenticationConfiguration", {}).get("AccessRoleArn", ABSENT),
        "instance role": instance.get("InstanceRoleArn", ABSENT),
        "automatic deployments": str(source.get("AutoDeploymentsEnabled", True)).lower(),
        "start command": settings.get("StartCommand", ABSENT),
        "auto scaling": service.get("AutoScalingConfigurationSummary", {}).get("AutoScalingConfigurationArn", ABSENT),
        "egress": network.get("EgressConfiguration", {}).get("VpcConnectorArn", "internet"),
        "ingress": f"{'public' if public else 'private'}, {network.get('IpAddressType', 'IPV4')}",
        "tracing": str(service.get("ObservabilityConfiguration", {}).get("ObservabilityEnabled", False)).lower(),
    }
    values = values_of(settings.get("RuntimeEnvironmentVariables", {}), settings.get("RuntimeEnvironmentSecrets", {}))
    state = state_of(service["Status"])
    return Observed(
        arn=service["ServiceArn"],
        url=service.get("ServiceUrl"),
        status=service["Status"],
        digest=_digest(image) if state in _ANSWERING else None,
        fields=fields | values,
        operation=operation,
        inherited=_INHERITED,
        state=state,
    )


def _digest(image: str) -> str | None:
    try:
        return Reference.parse(image).digest
    except BadInputError:
        return None


def state_of(word: str) -> State:
    return _STATES.get(word, State.UNKNOWN)
