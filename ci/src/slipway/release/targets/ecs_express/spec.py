"""A service on ECS Express Mode: the desired one, the requests that create or update it, and AWS's description of it.

Pure.
AWS documents three sets of defaults (API model, developer guide, CloudFormation), so every field is sent. AWS returns
lists sorted, and adds a security group of its own. They are therefore compared as sets, without that group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, ClassVar, Self

from slipway.records.image import Reference
from slipway.records.plan import Observed
from slipway.release.engine.plan import ABSENT, PLATFORM, ServiceSpec, health_check, health_pace, values_of
from slipway.release.prices import cost_of
from slipway.settings import ExpressEnvironment, ManagedNetwork, Settings, SettingsError
from slipway.settings.ecs_express import Architecture, ScalingMetric, TargetGroupPace, TaskScaling
from slipway.workload.workload import HealthCheck

_GRACE_SECONDS = 300  # during this time a failed health check does not count [G]
_METRICS = {
    ScalingMetric.CPU: "AVERAGE_CPU",
    ScalingMetric.MEMORY: "AVERAGE_MEMORY",
    ScalingMetric.REQUESTS: "REQUEST_COUNT_PER_TARGET",
}
_SUBNETS, _LOG_GROUP = "subnets", "log group"
CHECK, INFRASTRUCTURE_ROLE = "load balancer's check", "infrastructure role"
# ECS chooses these when a request lacks them. An update therefore sends the service's values.
_OPEN = {_SUBNETS: "those of the default VPC", _LOG_GROUP: "one that ECS makes"}
LOG_PREFIX = "ecs"  # ECS's own prefix [G]
HEALTHY = "200"  # the code of a healthy answer [F]
# An update without these fields may keep them.
INHERITED = ("command", "instance role")


@dataclass(frozen=True, kw_only=True)
class ExpressSpec(ServiceSpec):
    """The desired service, with the fields that only ECS Express Mode has.

    Empty `subnets` and `log_group` are left open.
    - private: whether the network that slipway created requires private subnets; None without such a network.
    - price: the monthly cost of the environment, as text.
    """

    fixed: ClassVar[tuple[str, ...]] = (INFRASTRUCTURE_ROLE,)

    arn: str
    infrastructure_role: str
    cluster: str
    subnets: tuple[str, ...]
    private: bool | None
    security_groups: tuple[str, ...]
    architecture: Architecture
    log_group: str
    scaling: TaskScaling
    pace: TargetGroupPace
    price: str

    @property
    def platform(self) -> str:
        return PLATFORM if self.architecture is Architecture.X86_64 else "linux/arm64"

    def plain(self) -> dict[str, str]:
        return super().plain() | {
            INFRASTRUCTURE_ROLE: self.infrastructure_role,
            "command": ABSENT,
            "architecture": self.architecture.name,
            _SUBNETS: named(self.subnets) if self.subnets else _OPEN[_SUBNETS],
            "security groups": named(self.security_groups),
            _LOG_GROUP: self.log_group or _OPEN[_LOG_GROUP],
            "scaling": _scaled(scaling_of(self)),
            CHECK: health_pace(*astuple(self.pace)),
        }

    @property
    def first_notes(self) -> tuple[str, ...]:
        return (self.price,)

    def notes_over(self, live: Observed) -> tuple[str, ...]:
        """Return a note when the service becomes public or private, or when it contradicts its network's setting `private`."""
        if self.private in (None, live.private):
            return ()
        setting, now = ("private = true", "public") if self.private else ("no private = true", "private")
        if self.subnets and {*self.subnets} != {*live.fields.get(_SUBNETS, "").split(", ")}:
            becomes = "private: only its network reaches it" if self.private else "public: the internet reaches it"
            return (f"the network has {setting}, and with other subnets the service becomes {becomes}",)
        kind = "private" if self.private else "public"
        remedy = f"write the {kind} ones, which `slipway bootstrap --environment {self.environment}` prints, as subnets"
        return (f"the network has {setting}, and the service stays {now}, because its subnets are {now}; {remedy}",)

    def over(self, live: Mapping[str, str]) -> Self:
        """Return the spec with the live service's fields where the settings leave them open."""
        kept = {name: live[name] for name, usual in _OPEN.items() if live.get(name, usual) != usual}
        subnets = tuple(kept[_SUBNETS].split(", ")) if _SUBNETS in kept else ()
        return replace(self, subnets=self.subnets or subnets, log_group=self.log_group or kept.get(_LOG_GROUP, ""))


def environment_of(settings: Settings, environment: str) -> ExpressEnvironment:
    """Return an environment on ECS Express Mode. Raise SettingsError when there is none of that name."""
    env = settings.environment(environment)
    assert isinstance(env, ExpressEnvironment)
    return env


def arn_of(settings: Settings, environment: str) -> str:
    """Return the ARN of a service, which is determined by its name. Raise SettingsError when the name does not fit."""
    env, name = environment_of(settings, environment), settings.service_name(environment)
    return f"arn:{env.partition}:ecs:{env.region}:{env.account}:service/{env.cluster}/{name}"


def spec_of(settings: Settings, environment: str, digest: str) -> ExpressSpec:
    """Return the desired service of an environment. Raise SettingsError when the settings do not fit."""
    env = environment_of(settings, environment)
    if settings.health_path is None:
        raise SettingsError(
            f"the load balancer of {environment} checks a task over HTTP, and there is no health-path",
            "set health-path in [tool.slipway] to a path that answers 200 when the service is ready",
        )
    if env.network and not (env.subnets and env.security_groups):
        raise SettingsError(
            f"{environment} has a network, and its tasks would not be in it: subnets or security-groups are missing",
            f"write what `slipway bootstrap --apply` prints into [tool.slipway.environments.{environment}]",
        )
    return ExpressSpec(
        environment=environment,
        name=settings.service_name(environment),
        image=Reference(settings.repository(environment), digest),
        port=settings.port,
        health_path=settings.health_path,
        cpu=env.cpu,
        memory=env.memory,
        access_role=env.access_role,
        instance_role=env.instance_role,
        variables={**env.variables, "PORT": str(settings.port)},  # ECS does not set this variable
        secrets=env.secrets,
        arn=arn_of(settings, environment),
        infrastructure_role=env.infrastructure_role,
        cluster=env.cluster,
        subnets=env.subnets,
        private=env.network.private if isinstance(env.network, ManagedNetwork) else None,
        security_groups=env.security_groups,
        architecture=env.architecture,
        log_group=env.log_group or "",
        scaling=env.scaling,
        pace=env.health_check,
        price=_price(settings, environment),
    )


def _price(settings: Settings, environment: str) -> str:
    cost = cost_of(settings, environment)
    parts = ", ".join(
        f"{'no price' if each.dollars is None else f'{each.dollars:.2f} $'} {each.what}" for each in cost.lines
    )
    return (
        f"the service and what it shares in {environment} cost {cost.total}: {parts}; not covered: {cost.not_covered}"
    )


def own(spec: ServiceSpec | None) -> ExpressSpec:
    """Return the spec as an ExpressSpec."""
    assert isinstance(spec, ExpressSpec)
    return spec


def health_of(spec: ServiceSpec) -> HealthCheck:
    """Return the health check that the load balancer will use for a task. Failures count only after the grace period."""
    pace = own(spec).pace
    tries = _GRACE_SECONDS // pace.interval + pace.unhealthy_threshold
    return HealthCheck(path=spec.health_path, **{**vars(pace), "unhealthy_threshold": tries})


def named(values: Sequence[str]) -> str:
    """Return a set of names in the words of a plan."""
    return ", ".join(sorted(set(values))) or ABSENT


def scaling_of(spec: ExpressSpec) -> dict[str, Any]:
    scaling = spec.scaling
    return {
        "minTaskCount": scaling.least,
        "maxTaskCount": scaling.most,
        "autoScalingMetric": _METRICS[scaling.metric],
        "autoScalingTargetValue": scaling.value,
    }


def _scaled(target: Mapping[str, Any]) -> str:
    least, most = target.get("minTaskCount"), target.get("maxTaskCount")
    return f"{least} to {most} tasks by {target.get('autoScalingMetric')} {target.get('autoScalingTargetValue')}"


@dataclass(frozen=True)
class CheckedGroup:
    """A target group as AWS describes it, with the `path` of the health check that ECS set; None when ECS does not report it."""

    description: Mapping[str, Any]
    path: str | None = None

    @property
    def check(self) -> str:
        """The health check in the words of a plan. Path and codes appear only when they differ from ECS's."""
        found = self.description
        parts = [health_pace(*(found.get(key, "?") for key in tuning_of(TargetGroupPace())))]
        if (path := found.get("HealthCheckPath", self.path)) != self.path:
            parts.append(f"at {path}")
        if (codes := found.get("Matcher", {}).get("HttpCode", HEALTHY)) != HEALTHY:
            parts.append(f"for {codes}")
        return ", ".join(parts)

    def tuned(self, pace: TargetGroupPace) -> dict[str, Any]:
        """Return the request that sets a pace and keeps the path that ECS set."""
        path = {"HealthCheckPath": self.path} if self.path else {}
        return {
            "TargetGroupArn": self.description["TargetGroupArn"],
            "Matcher": {"HttpCode": HEALTHY},
            **path,
            **tuning_of(pace),
        }


def tuning_of(pace: TargetGroupPace) -> dict[str, int]:
    """Return a pace as fields of a target group."""
    return {
        "HealthCheckIntervalSeconds": pace.interval,
        "HealthCheckTimeoutSeconds": pace.timeout,
        "HealthyThresholdCount": pace.healthy_threshold,
        "UnhealthyThresholdCount": pace.unhealthy_threshold,
    }


def request_of(spec: ExpressSpec) -> dict[str, Any]:
    """Return the common part of a creation and an update."""
    container: dict[str, Any] = {
        "image": str(spec.image),
        "containerPort": spec.port,
        "environment": [{"name": name, "value": value} for name, value in spec.variables.items()],
        "secrets": [{"name": name, "valueFrom": arn} for name, arn in spec.secrets.items()],
    }
    if spec.log_group:
        container["awsLogsConfiguration"] = {"logGroup": spec.log_group, "logStreamPrefix": LOG_PREFIX}
    network: dict[str, Any] = {"securityGroups": sorted(set(spec.security_groups))}
    network |= {"subnets": sorted(set(spec.subnets))} if spec.subnets else {}
    role = {"taskRoleArn": spec.instance_role} if spec.instance_role else {}
    return role | {
        "executionRoleArn": spec.access_role,
        "healthCheckPath": spec.health_path,
        "primaryContainer": container,
        "networkConfiguration": network,
        "cpu": str(spec.cpu),
        "memory": str(spec.memory),
        "cpuArchitecture": spec.architecture.name,
        "scalingTarget": scaling_of(spec),
    }


def fields_of(
    configuration: Mapping[str, Any],
    *,
    infrastructure_role: str,
    managed: frozenset[str] = frozenset(),
    groups: Sequence[CheckedGroup] = (),
) -> dict[str, str]:
    """Convert an active configuration to the fields of a plan.

    `managed` are the ids of the security groups that ECS created, `groups` the service's target groups.
    """
    container, network = configuration["primaryContainer"], configuration.get("networkConfiguration", {})
    fields = {
        "image": container["image"],
        "port": str(container.get("containerPort", ABSENT)),
        "health check": health_check(configuration.get("healthCheckPath")),
        "cpu": configuration.get("cpu", ABSENT),
        "memory": configuration.get("memory", ABSENT),
        "access role": configuration.get("executionRoleArn", ABSENT),
        "instance role": configuration.get("taskRoleArn", ABSENT),
        INFRASTRUCTURE_ROLE: infrastructure_role,
        "command": " ".join(container.get("command", ())) or ABSENT,
        "architecture": configuration.get("cpuArchitecture", Architecture.X86_64.name),
        _SUBNETS: named(network["subnets"]) if network.get("subnets") else _OPEN[_SUBNETS],
        "security groups": named([group for group in network.get("securityGroups", ()) if group not in managed]),
        _LOG_GROUP: container.get("awsLogsConfiguration", {}).get("logGroup") or _OPEN[_LOG_GROUP],
        "scaling": _scaled(configuration.get("scalingTarget", {})),
        CHECK: " and ".join(sorted({group.check for group in groups})) or ABSENT,
    }
    variables = {entry["name"]: entry.get("value", "") for entry in container.get("environment", ())}
    secrets = {entry["name"]: entry["valueFrom"] for entry in container.get("secrets", ())}
    return fields | values_of(variables, secrets)


def digest_of(image: Mapping[str, Any]) -> str | None:
    """Return the digest of a service revision's image, from ECS's report, otherwise from the image's reference."""
    return image.get("imageDigest") or Reference.digest_in(image.get("image", ""))
