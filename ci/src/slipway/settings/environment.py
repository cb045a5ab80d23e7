"""The settings of `[tool.slipway.environments.ENVIRONMENT]` that are the same for every target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, ClassVar

from slipway.settings.network import ManagedDatabase, ManagedNetwork, Network
from slipway.structure import Constrained, MismatchError, Pattern, Range, Variants

Arn = Annotated[
    str, Pattern(r"arn:.*", "an ARN: a secret is named by its ARN, its value is never written here", secret=True)
]
_TASK_MEMORY_OF_CPU = {  # Fargate refuses any other pair (service model of ECS, RegisterTaskDefinition)
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16385, 1024)),
    4096: tuple(range(8192, 30721, 1024)),
}


# Partitions of AWS and their domains, by the first letters of a region (botocore's endpoints.json). All other regions
# are in `aws`.
_PARTITIONS = {
    "cn-": ("aws-cn", "amazonaws.com.cn"),
    "us-gov-": ("aws-us-gov", "amazonaws.com"),
    "us-iso-": ("aws-iso", "c2s.ic.gov"),
    "us-isob-": ("aws-iso-b", "sc2s.sgov.gov"),
    "eusc-": ("aws-eusc", "amazonaws.eu"),
}


class TargetKind(Enum):
    """The platform of an environment."""

    APP_RUNNER = "app-runner"
    ECS_EXPRESS = "ecs-express"


class RunnerKind(Enum):
    """The part that migrates an environment's database."""

    DIRECT = "direct"
    ECS_TASK = "ecs-task"


def role_for(purpose: str) -> Pattern:
    """Return the constraint of a setting that must be a role's ARN."""
    made = "`slipway bootstrap` makes the role that you name here"
    return Pattern(r"arn:.*", f"the ARN of the role with which {purpose}, arn:aws:iam::ACCOUNT:role/NAME; {made}")


def check_task_size(cpu: int, memory: int) -> None:
    """Raise MismatchError for a pair of cpu and memory that Fargate does not accept."""
    if memory not in _TASK_MEMORY_OF_CPU.get(cpu, ()):
        pairs = "; ".join(f"{cpu} with {sizes[0]} to {sizes[-1]}" for cpu, sizes in _TASK_MEMORY_OF_CPU.items())
        raise MismatchError("memory", f"found cpu {cpu} with memory {memory}, allowed are {pairs}")


_NETWORKS = Variants("managed", {False: Network, True: ManagedNetwork})


@dataclass(frozen=True, kw_only=True)
class MigrationRunner(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT.migration]`: how the database is migrated before a release. docs/how-to/migrations.md lists the permissions.

    - runner: "direct", from where slipway runs; "ecs-task", a Fargate task in the VPC, for a database without a public address.
    - cluster: the ECS cluster of the task.
    - subnets: the task's subnets, by id; needed for ecs-task.
    - security-groups: the task's security groups, by id; the database must let them in; needed for ecs-task.
    - execution-role: the ARN of the role with which ECS pulls the image, reads the secrets and writes the log; needed for ecs-task.
    - task-role: the ARN of the migration's own role.
    - public-ip: whether the task gets a public address, which it needs in a public subnet to reach ECR.
    - cpu: the task's cpu in units; 1024 is one vCPU.
    - memory: the task's memory in MB; Fargate accepts only certain pairs of cpu and memory.
    - log-group: the existing log group that the task writes to; by default /slipway/ and the deployed service's name.
    - timeout: seconds after which slipway stops waiting; the task continues.
    """

    runner: RunnerKind
    cluster: str = "default"
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    execution_role: str | None = None
    task_role: str | None = None
    public_ip: bool = False
    cpu: int = 256
    memory: int = 512
    log_group: str | None = None
    timeout: Annotated[int, Range(1)] = 1800

    def __post_init__(self) -> None:
        super().__post_init__()
        check_task_size(self.cpu, self.memory)
        needed = {
            "subnets": self.subnets,
            "security-groups": self.security_groups,
            "execution-role": self.execution_role,
        }
        if self.runner is RunnerKind.ECS_TASK and (missing := [key for key, value in needed.items() if not value]):
            raise MismatchError(missing[0], f"missing, the runner ecs-task needs {' and '.join(missing)}")


@dataclass(frozen=True, kw_only=True)
class Environment(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT]`: one place where the service runs.

    - target: the platform: "ecs-express", ECS Express Mode; or "app-runner", which takes no new customers.
    - region: such as eu-west-1.
    - account: the AWS account.
    - access-role: the ARN of the role with which the platform pulls from ECR; ECS also reads the secrets with it (its execution role).
    - service: the service's name on the platform; `name` and the environment's name with a dash by default.
    - instance-role: the ARN of the running service's role.
    - cpu: cpu in units; 1024 is one vCPU.
    - memory: memory in MB; a platform accepts only certain pairs of cpu and memory.
    - variables: plain values, by variable.
    - secrets: ARNs in Secrets Manager or SSM, by variable.
    - unrecorded: variables whose values the ledger must not keep, besides those that look like secrets.
    - webhook: the ARN of a secret with a URL, such as Slack's. The end of each deployment is posted there as {"text": …}.
    - network: a table, see below; without it the service reaches the internet only.
    - database: a table, see below; without it the database is your own.
    - migration: a table, see below. Without it, a task in the service's subnets and security-groups migrates a managed database on ECS; any other database is migrated only by `slipway migrate … --database-url-from VARIABLE`.
    """

    service_names: ClassVar[Pattern] = Pattern(r"[A-Za-z0-9_-]+", "letters, digits, - and _")

    target: TargetKind
    region: str
    account: Annotated[str, Pattern(r"[0-9]{12}", "an account of 12 digits")]
    access_role: Annotated[str, role_for("the platform pulls the image")]
    service: str | None = None
    instance_role: str | None = None
    cpu: int = 1024
    memory: int = 2048
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Arn] = field(default_factory=dict)
    unrecorded: tuple[str, ...] = ()
    webhook: Arn | None = None
    network: Annotated[Network | ManagedNetwork, _NETWORKS] | None = None
    database: ManagedDatabase | None = None
    migration: MigrationRunner | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if both := sorted(set(self.variables) & set(self.secrets)):
            raise MismatchError(f"variables.{both[0]}", "found among the secrets too, allowed is one of them")

    @property
    def roles(self) -> dict[str, str | None]:
        """The roles that the settings name, by their keys in the settings; None for an absent one."""
        return {"access-role": self.access_role, "instance-role": self.instance_role}

    @property
    def cpu_architecture(self) -> str:
        """The processor architecture of the environment's images, in ECS's words."""
        return "X86_64"

    @property
    def partition(self) -> str:
        """The AWS partition of the region, which is a part of every ARN there."""
        return partition_of(self.region)[0]

    @property
    def domain(self) -> str:
        """The domain of the region's endpoints."""
        return partition_of(self.region)[1]


def partition_of(region: str) -> tuple[str, str]:
    """Return the AWS partition of a region, and the domain of its endpoints."""
    found = (names for beginning, names in _PARTITIONS.items() if region.startswith(beginning))
    return next(found, ("aws", "amazonaws.com"))
