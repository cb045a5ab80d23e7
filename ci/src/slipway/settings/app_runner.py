"""`[tool.slipway.environments.NAME]` with target = "app-runner": its options and App Runner's limits.

Sources: [M] the service model, [G] the developer guide.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from slipway.settings.environment import Environment
from slipway.structure import Constrained, MismatchError, Pattern, Range

_MEMORY_OF_CPU = {  # App Runner refuses any other pair [G, "Managing App Runner service configuration"]
    256: (512, 1024),
    512: (1024,),
    1024: (2048, 3072, 4096),
    2048: (4096, 6144),
    4096: (8192, 10240, 12288),
}


def _revision(kind: str) -> Pattern:
    return Pattern(
        rf"arn:aws[\w-]*:apprunner:[a-z0-9-]+:[0-9]{{12}}:{kind}/[\w-]{{4,40}}/[1-9][0-9]*/[a-z0-9]{{32}}",
        f"arn:aws:apprunner:REGION:ACCOUNT:{kind}/NAME/REVISION/ID",
    )


@dataclass(frozen=True)
class Scaling(Constrained):
    """`[tool.slipway.environments.NAME.scaling]`: how many instances bootstrap configures.

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
            raise MismatchError("most", f"found least {self.least} and most {self.most}, allowed is least up to most")


@dataclass(frozen=True, kw_only=True)
class HealthPace(Constrained):
    """`[tool.slipway.environments.NAME.health-check]`: how often App Runner checks an instance. A release has interval times unhealthy-threshold seconds to start.

    - interval: seconds between two checks.
    - timeout: seconds to wait for an answer.
    - healthy-threshold: consecutive good answers until an instance gets traffic.
    - unhealthy-threshold: consecutive bad answers until an instance is given up.
    """

    interval: Annotated[int, Range(1, 20)] = 5
    timeout: Annotated[int, Range(1, 20)] = 2
    healthy_threshold: Annotated[int, Range(1, 20)] = 1
    unhealthy_threshold: Annotated[int, Range(1, 20)] = 5


@dataclass(frozen=True, kw_only=True)
class AppRunnerEnvironment(Environment):
    """`[tool.slipway.environments.NAME]` with target = "app-runner".

    - health-check: a table, see below; how often the service is checked, and how often it may fail.
    - vpc-connector: the ARN of the VPC connector to a private network; without it the service reaches the internet only.
    - auto-scaling: the ARN of an auto scaling configuration, with its revision; the account's DefaultConfiguration by default.
    - scaling: a table, see below; without it bootstrap makes no auto scaling configuration.
    """

    service_names: ClassVar[Pattern] = Pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{3,39}", "4 to 40 letters, digits, - and _")

    health_check: HealthPace = HealthPace()
    vpc_connector: Annotated[str, _revision("vpcconnector")] | None = None
    auto_scaling: Annotated[str, _revision("autoscalingconfiguration")] | None = None
    scaling: Scaling | None = None

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
    return f"arn:aws:apprunner:{region}:{account}:autoscalingconfiguration/DefaultConfiguration/1/{1:032d}"
