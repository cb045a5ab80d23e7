"""`[tool.slipway.environments.ENVIRONMENT]` with target = "app-runner": its options and App Runner's limits.

Sources: [M] the service model, [G] the developer guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, ClassVar

from slipway.settings.ecs_express import TaskScaling
from slipway.settings.environment import Environment, partition_of
from slipway.structure import Constrained, MismatchError, Pattern, Range

_MEMORY_OF_CPU = {  # App Runner refuses any other pair [G, "Managing App Runner service configuration"]
    256: (512, 1024),
    512: (1024,),
    1024: (2048, 3072, 4096),
    2048: (4096, 6144),
    4096: (8192, 10240, 12288),
}


NONE = "none"  # instead of an ARN: the service has no such part, which differs from an absent setting


def _revision(kind: str, instead: str = "") -> Pattern:
    arn = rf"arn:aws[\w-]*:apprunner:[a-z0-9-]+:[0-9]{{12}}:{kind}/[\w-]{{4,40}}/[1-9][0-9]*/[a-z0-9]{{32}}"
    words = f"arn:aws:apprunner:REGION:ACCOUNT:{kind}/NAME/REVISION/ID"
    return Pattern(f"{arn}|{instead}", f'{words} or "{instead}"') if instead else Pattern(arn, words)


_KMS_KEY = Pattern(r"arn:aws[\w-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9a-f-]{36}", "arn:aws:kms:REGION:ACCOUNT:key/ID")
_TAG = Pattern(r"(?!aws:|slipway:)(?s:.){1,128}", "up to 128 characters that do not begin with aws: or slipway:")
_TAG_VALUE = Pattern(r"(?s:.){0,256}", "up to 256 characters")


class Ingress(Enum):
    """The places from which clients can reach a service."""

    PUBLIC = "public"
    PRIVATE = "private"


class IpAddresses(Enum):
    """The IP versions of a service's address."""

    IPV4 = "ipv4"
    DUAL_STACK = "dual-stack"


@dataclass(frozen=True)
class Scaling(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT.scaling]`: how many instances bootstrap configures.

    - concurrency: requests that one instance serves at once before another one starts.
    - least: instances that always run.
    - most: instances at peak load.
    """

    concurrency: Annotated[int, Range(1, 200)] = 100
    least: Annotated[int, Range(1, 25)] = 1
    most: Annotated[int, Range(1, 25)] = 25

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least > self.most:
            raise MismatchError(
                "most", f"found least {self.least} and most {self.most}, allowed is a most of {self.least} or more"
            )


@dataclass(frozen=True, kw_only=True)
class HealthPace(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT.health-check]`: how often App Runner checks an instance. A release has interval times unhealthy-threshold seconds to start.

    - interval: seconds between two checks.
    - timeout: seconds to wait for an answer.
    - healthy-threshold: consecutive good answers until an instance gets traffic.
    - unhealthy-threshold: consecutive bad answers until an instance gets no more traffic.
    """

    interval: Annotated[int, Range(1, 20)] = 5
    timeout: Annotated[int, Range(1, 20)] = 2
    healthy_threshold: Annotated[int, Range(1, 20)] = 1
    unhealthy_threshold: Annotated[int, Range(1, 20)] = 5


class Left(Enum):
    """A part of a service on App Runner that a move to ECS Express Mode may leave behind."""

    TRACING = "tracing"
    KMS_KEY = "kms-key"
    TAGS = "tags"
    SAME_ANSWERS = "same-answers"


@dataclass(frozen=True, kw_only=True)
class Move(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT.move]`: what a service on App Runner needs on ECS Express Mode, for `slipway move`. Bootstrap makes its roles.

    - access-role: the ARN of the role with which ECS pulls the image and reads the secrets.
    - infrastructure-role: the ARN of the role with which ECS makes load balancer, certificate and scaling.
    - instance-role: the ARN of the running service's role there; needed if the service has one.
    - cluster: the ECS cluster.
    - subnets: the tasks' subnets, by id. Needed if the service reaches a VPC; they must be public subnets of that VPC.
    - security-groups: the tasks' security groups, by id, besides the one that ECS makes.
    - log-group: an existing log group; by default ECS makes one.
    - scaling: how many tasks run; by default as many as `scaling` has instances.
    - without: what is left behind, because ECS Express Mode has none: "tracing", "kms-key", "tags"; with "same-answers" both sides may
      answer the smoke paths with different bodies.
    """

    access_role: str
    infrastructure_role: str
    instance_role: str | None = None
    cluster: str = "default"
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    log_group: str | None = None
    scaling: TaskScaling | None = None
    without: tuple[Left, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AppRunnerEnvironment(Environment):
    """`[tool.slipway.environments.ENVIRONMENT]` with target = "app-runner".

    - health-check: a table, see below; how often the service is checked, and how often it may fail. Without it a service keeps its pace.
    - ingress: "private" is reached only through a VPC ingress connection of yours, and slipway does not request it. Without it a service
      stays as it is, and a new one is public.
    - ip-addresses: the IP versions of its address. Without it a service stays as it is, and a new one has ipv4.
    - vpc-connector: the ARN of the VPC connector to a private network, or "none" for the internet only. Without it a service keeps its
      connector, and a new one has none.
    - auto-scaling: the ARN of an auto scaling configuration, with its revision. Without it a service keeps its own, and a new one has
      DefaultConfiguration.
    - tracing: the ARN of an observability configuration, with its revision, or "none". Without it a service stays as it is, and a new one
      is not traced.
    - kms-key: the ARN of the key that encrypts App Runner's copy of the image. It cannot be changed later; without it a service keeps its key.
    - start-command: starts the service instead of the image's own command. App Runner cannot remove it from a service again.
    - tags: set when slipway creates the service; later deployments do not change them.
    - scaling: a table, see below; without it bootstrap makes no auto scaling configuration.
    - move: a table, see below; for `slipway move`.
    """

    service_names: ClassVar[Pattern] = Pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{3,39}", "4 to 40 letters, digits, - and _")

    health_check: HealthPace | None = None
    ingress: Ingress | None = None
    ip_addresses: IpAddresses | None = None
    vpc_connector: Annotated[str, _revision("vpcconnector", NONE)] | None = None
    auto_scaling: Annotated[str, _revision("autoscalingconfiguration")] | None = None
    tracing: Annotated[str, _revision("observabilityconfiguration", NONE)] | None = None
    kms_key: Annotated[str, _KMS_KEY] | None = None
    start_command: Annotated[str, Pattern(r"[^\n\r]+", "one line")] | None = None
    tags: Mapping[Annotated[str, _TAG], Annotated[str, _TAG_VALUE]] = field(default_factory=dict)
    scaling: Scaling | None = None
    move: Move | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory not in _MEMORY_OF_CPU.get(self.cpu, ()):
            pairs = "; ".join(f"{cpu} with {', '.join(map(str, sizes))}" for cpu, sizes in _MEMORY_OF_CPU.items())
            raise MismatchError("memory", f"found cpu {self.cpu} with memory {self.memory}, allowed are {pairs}")
        for table, names in (("variables", self.variables), ("secrets", self.secrets)):
            for name in names:
                if name == "PORT" or name.startswith("AWSAPPRUNNER"):
                    raise MismatchError(f"{table}.{name}", "found a name that App Runner reserves")

    @property
    def scaling_arn(self) -> str:
        """The auto scaling configuration of the service."""
        return self.auto_scaling or default_scaling(self.region, self.account)


def default_scaling(region: str, account: str) -> str:
    """Return the ARN of the default auto scaling configuration, which every account has [G]."""
    return f"arn:{partition_of(region)[0]}:apprunner:{region}:{account}:autoscalingconfiguration/DefaultConfiguration/1/{1:032d}"
