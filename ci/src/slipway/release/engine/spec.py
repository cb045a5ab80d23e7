"""The desired service of an environment, field by field, from the settings and an image."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from slipway.records.image import Reference
from slipway.settings import Settings

ABSENT = "none"
HEALTH_PACE = 5, 2, 1, 5  # interval and timeout in seconds, healthy and unhealthy thresholds: App Runner's defaults [M]


@dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """A desired service, the same for every target. cpu in units (1024 is one vCPU), memory in MB."""

    environment: str
    name: str
    image: Reference
    port: int
    health_path: str | None
    cpu: int
    memory: int
    access_role: str
    instance_role: str | None
    auto_scaling: str
    vpc_connector: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, str]:
        """Return every field by its name in a plan. Variables appear as hashes, because a value may be a secret."""
        plain = {
            "image": str(self.image),
            "port": str(self.port),
            "health check": health_check(self.health_path),
            "cpu": str(self.cpu),
            "memory": str(self.memory),
            "access role": self.access_role,
            "instance role": self.instance_role or ABSENT,
            "automatic deployments": "false",
            "start command": ABSENT,
            "auto scaling": self.auto_scaling,
            "egress": self.vpc_connector or "internet",
            "ingress": "public, IPV4",
            "tracing": "false",
        }
        variables = {f"variable {name}": hashed(value) for name, value in self.variables.items()}
        return plain | variables | {f"secret {name}": arn for name, arn in self.secrets.items()}

    @property
    def hash(self) -> str:
        """The service's identity: it changes with any field or value."""
        return hashed(json.dumps(self.fields(), sort_keys=True))


def health_check(path: str | None, pace: tuple[int, int, int, int] = HEALTH_PACE) -> str:
    """Return a health check as a plan names it, with its pace where that differs from the default."""
    kind = f"HTTP {path}" if path else "TCP"
    interval, timeout, healthy, unhealthy = pace
    return (
        kind if pace == HEALTH_PACE else f"{kind} every {interval} s, {timeout} s long, {healthy} up, {unhealthy} down"
    )


def default_scaling(region: str, account: str) -> str:
    """Return the auto scaling configuration that a service has by default; its ARN is the same in every account [G]."""
    return f"arn:aws:apprunner:{region}:{account}:autoscalingconfiguration/DefaultConfiguration/1/{1:032d}"


def hashed(value: str) -> str:
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:12]}"


def spec_of(settings: Settings, environment: str, digest: str) -> ServiceSpec:
    """Return the desired service of an environment; raises SettingsError when the settings do not have it."""
    there = settings.environment(environment)
    repository = f"{there.account}.dkr.ecr.{there.region}.amazonaws.com/{settings.name}"
    return ServiceSpec(
        environment=environment,
        name=settings.service_name(environment),
        image=Reference(repository, digest),
        port=settings.port,
        health_path=settings.health_path,
        cpu=there.cpu,
        memory=there.memory,
        access_role=there.access_role,
        instance_role=there.instance_role,
        auto_scaling=there.auto_scaling or default_scaling(there.region, there.account),
        vpc_connector=there.vpc_connector,
        variables=there.variables,
        secrets=there.secrets,
    )
