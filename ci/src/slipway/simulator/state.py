"""What a simulated account holds when it begins, for whoever's tests need something to be there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from slipway.simulator.cloud import Cloud
from slipway.simulator.contract import problems, service
from slipway.simulator.store import Repository
from slipway.structure import MismatchError


@dataclass(frozen=True)
class State:
    """As a file names it.

    - repositories: names in ECR, with immutable tags. roles: ARNs; both parts of App Runner may take them on.
    - strict-roles: whether a role that is not there is refused. Without it any role of the real account is taken for good.
    - secrets: by the ARN of a secret or a parameter, the environment variable of this process that has its value.
    """

    repositories: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    strict_roles: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, name in enumerate(self.repositories):
            if problems(service("ecr").operation_model("CreateRepository").input_shape, {"repositoryName": name}):
                raise MismatchError(f"repositories[{index}]", f"found {name!r:.80}, which ECR does not take for a name")
        for index, arn in enumerate(self.roles):
            if not arn.startswith("arn:aws") or ":role/" not in arn:
                raise MismatchError(f"roles[{index}]", f"found {arn!r:.80}, allowed is the ARN of a role")
        for arn in self.secrets:
            if ":secretsmanager:" not in arn and ":ssm:" not in arn:
                raise MismatchError("secrets", f"found {arn!r:.80}, allowed is the ARN of a secret or a parameter")

    def unset(self, variables: Mapping[str, str]) -> list[str]:
        """The variables that it names and that are not set."""
        return sorted(set(self.secrets.values()) - set(variables))

    def put_into(self, cloud: Cloud, variables: Mapping[str, str]) -> None:
        """Let the account have all of it."""
        for name in self.repositories:
            cloud.store.repositories[name] = Repository(name=name, created=cloud.clock.now(), immutable=True)
        for role in self.roles:
            cloud.iam.put(role)
        cloud.iam.strict = self.strict_roles
        for arn, variable in self.secrets.items():
            cloud.references.put(arn, variables[variable])
