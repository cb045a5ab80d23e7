"""`[tool.slipway.environments.ENVIRONMENT]` with target = "ecs-express": its options and the limits of ECS Express Mode.

Sources: [M] the service models of ECS and of Elastic Load Balancing, [G] their developer guides.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar

from slipway.settings.environment import Environment, check_task_size, role_for
from slipway.settings.network import resource_id
from slipway.structure import Constrained, MismatchError, Pattern, Range


class Architecture(Enum):
    """The processor architectures of tasks, in ECS's words."""

    X86_64 = "x86-64"
    ARM64 = "arm64"


class ScalingMetric(Enum):
    """The metric by which ECS adds and removes tasks."""

    CPU = "cpu"
    MEMORY = "memory"
    REQUESTS = "requests"


@dataclass(frozen=True)
class TaskScaling(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT.scaling]` with target = "ecs-express": how many tasks run.

    - least: tasks that always run.
    - most: tasks at peak load.
    - metric: "cpu" or "memory" in percent, or "requests" per task.
    - value: the value of the metric at which another task starts.
    """

    least: Annotated[int, Range(1)] = 1
    most: Annotated[int, Range(1)] = 20
    metric: ScalingMetric = ScalingMetric.CPU
    value: Annotated[int, Range(1)] = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least > self.most:
            raise MismatchError(
                "most", f"found least {self.least} and most {self.most}, allowed is a most of {self.least} or more"
            )
        if self.metric is not ScalingMetric.REQUESTS and self.value > 100:
            raise MismatchError("value", f"found {self.value} percent, allowed is 1 to 100")


@dataclass(frozen=True, kw_only=True)
class TargetGroupPace(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT.health-check]` with target = "ecs-express": how often the load balancer checks a task.

    Express Mode checks every 30 s and needs 5 answers [G], so a release waits 2.5 minutes before it gets traffic; with these defaults 10 s.
    Write 30, 5, 5 and 2 to keep its own. A release has 300 s to start, whatever is written here.

    - interval: seconds between two checks.
    - timeout: seconds to wait for an answer; less than interval.
    - healthy-threshold: consecutive good answers until a task gets traffic.
    - unhealthy-threshold: consecutive bad answers until a task is replaced.
    """

    interval: Annotated[int, Range(5, 300)] = 5
    timeout: Annotated[int, Range(2, 120)] = 2
    healthy_threshold: Annotated[int, Range(2, 10)] = 2
    unhealthy_threshold: Annotated[int, Range(2, 10)] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.timeout >= self.interval:
            raise MismatchError("timeout", f"found {self.timeout}, allowed is less than interval, {self.interval}")


@dataclass(frozen=True, kw_only=True)
class ExpressEnvironment(Environment):
    """`[tool.slipway.environments.ENVIRONMENT]` with target = "ecs-express".

    - infrastructure-role: the ARN of the role with which ECS makes load balancer, certificate and scaling; it cannot be changed later.
    - cluster: the ECS cluster; ECS makes the default one.
    - subnets: the tasks' subnets, by id, in two zones or more. In public subnets the service has an address on the internet, in private subnets an internal load balancer. By default a new service gets the public subnets of the default VPC, and an existing one keeps its own.
    - security-groups: the tasks' security groups, by id, besides the one that ECS makes.
    - architecture: the processor architecture of the tasks, for which the image is built.
    - log-group: an existing log group; by default ECS makes one.
    - health-check: a table, see below; how often the load balancer checks a task.
    - scaling: a table, see below; how many tasks run.
    """

    # ECS makes the address https://NAME.ecs.REGION.on.aws from the name; the limit of a name's length is not
    # documented.
    service_names: ClassVar[Pattern] = Pattern(
        r"[A-Za-z](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?",
        "1 to 40 letters, digits and -, the first a letter, the last no -",
    )

    infrastructure_role: Annotated[str, role_for("ECS makes load balancer, certificate and scaling")]
    cluster: Annotated[str, Pattern(r"[A-Za-z0-9_-]{1,255}", "the name of a cluster")] = "default"
    subnets: tuple[Annotated[str, resource_id("subnet")], ...] = ()
    security_groups: tuple[Annotated[str, resource_id("sg")], ...] = ()
    architecture: Architecture = Architecture.X86_64
    log_group: str | None = None
    health_check: TargetGroupPace = TargetGroupPace()
    scaling: TaskScaling = TaskScaling()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_task_size(self.cpu, self.memory)
        for table, names in (("variables", self.variables), ("secrets", self.secrets)):
            if "PORT" in names:
                raise MismatchError(f"{table}.PORT", "found a name that slipway sets, to the port in [tool.slipway]")

    @property
    def roles(self) -> dict[str, str | None]:
        return super().roles | {"infrastructure-role": self.infrastructure_role}

    @property
    def cpu_architecture(self) -> str:
        return self.architecture.name
