"""Bootstrap: the stacks of an environment, and what they change in an account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from slipway.records.access import AccessDifference
from slipway.records.cost import Cost
from slipway.records.form import Record


class Result(Enum):
    """The result for one stack or for the database; only the database can be WAITING."""

    UNCHANGED = "unchanged"
    PROPOSED = "proposed"
    APPLIED = "applied"
    FAILED = "failed"
    WAITING = "waiting"

    @property
    def is_well(self) -> bool:
        return self is not Result.FAILED


_SUBNET = "AWS::EC2::Subnet"
# Kinds of resources whose contents are lost when they are replaced: data, or resources that others have put into them.
_HOLDERS = {
    "AWS::RDS::DBInstance": "database",
    "AWS::RDS::DBCluster": "database",
    "AWS::SecretsManager::Secret": "secret",
    "AWS::ECR::Repository": "repository",
    "AWS::Logs::LogGroup": "log group",
    "AWS::EC2::VPC": "VPC",
    _SUBNET: "subnet",
}
_GENERATED = "GenerateSecretString"


@dataclass(frozen=True, kw_only=True)
class ValueChange:
    """The change of one property by the template. Both values are empty when they are long, or unknown before the execution.

    - is_restored: whether the change only undoes a person's change in the account; the template is the same as before.
    """

    name: str
    before: str = ""
    after: str = ""
    is_restored: bool = False

    @property
    def told(self) -> str:
        """The property with both values, as text."""
        return f"{self.name} {self.before} -> {self.after}" if self.before or self.after else self.name


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """The change of one resource.

    - action, replacement: as CloudFormation reports them; replacement is "True", "False", "Conditional" or empty.
    - physical: the resource's id in the account; empty before the resource exists.
    - policy: how CloudFormation treats the old resource, such as "Delete", "Retain" or "ReplaceAndSnapshot"; empty when
      the resource stays.
    - properties: the names of the properties that change.
    - values: the properties that change because of the template, not because another resource changes.
    """

    action: str
    name: str
    kind: str
    physical: str = ""
    replacement: str = ""
    policy: str = ""
    properties: tuple[str, ...] = ()
    values: tuple[ValueChange, ...] = ()

    @property
    def lowered(self) -> ValueChange | None:
        """The change of a server to a lower major of Postgres or to less storage; RDS refuses both."""
        known = [each for each in self.values if each.name in ("EngineVersion", "AllocatedStorage") and each.after]
        is_server = self.kind == "AWS::RDS::DBInstance"
        return next((each for each in known if is_server and _whole(each.after) < _whole(each.before)), None)

    @property
    def loss(self) -> str | None:
        """The loss that the change causes, such as "deletes the database"; None for a change that loses nothing."""
        noun = _HOLDERS.get(self.kind)
        if noun is None:
            return None
        if self.action == "Remove":
            return None if self.policy == "Retain" else f"deletes the {noun}"
        if self.action == "Modify" and self.replacement in {"True", "Conditional"}:
            return f"{'replaces' if self.replacement == 'True' else 'may replace'} the {noun}"
        return f"generates a new value for the {noun}" if _GENERATED in self.properties else None

    @property
    def is_impossible(self) -> bool:
        """Whether AWS refuses the replacement: a subnet cannot move to another zone while its addresses stay the same."""
        is_replaced = self.kind == _SUBNET and self.replacement == "True"
        return is_replaced and not {"CidrBlock", "VpcId"} & {*self.properties}

    @property
    def remedy(self) -> str:
        """The next step when this change is refused."""
        if self.is_impossible:
            return "keep its zone: AWS makes the new subnet first, and refuses two with the same addresses"
        return f"if its contents may be lost, pass --replace {self.name}"

    @property
    def is_taken(self) -> bool:
        """Whether the change removes a resource that others may use, such as a NAT gateway, even if no data is lost."""
        is_removed = self.action == "Remove" and self.policy != "Retain"
        return bool(self.loss) or is_removed or (self.action == "Modify" and self.replacement == "True")


def _whole(number: str) -> int:
    """Return the whole part of a number, such as GB or Postgres' version; 0 when the text is no number."""
    whole = number.partition(".")[0]
    return int(whole) if whole.isdecimal() else 0


@dataclass(frozen=True)
class ResourceFailure:
    """A resource that CloudFormation could not create.

    - reason: untrusted text.
    - physical: the resource's id in the account; empty when it has none.
    """

    name: str
    kind: str
    reason: str
    physical: str = ""


@dataclass(frozen=True, kw_only=True)
class StackChange:
    """One stack and its changes.

    - outputs: the values that the stack returns, by the place where a value belongs, such as a setting.
    - template: the hash of the template, by which `bootstrap --apply` recognises an approved change.
    - waits_for: the stack that must be created before AWS can compute this change; `changes` are then those of the
      template.
    """

    stack: str
    region: str
    result: Result
    is_new: bool
    changes: tuple[ResourceChange, ...] = ()
    failures: tuple[ResourceFailure, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    template: str = ""
    waits_for: str = ""


@dataclass(frozen=True, kw_only=True)
class DatabaseChange:
    """A service's database and its roles on the server that bootstrap made.

    - name: the database's name, which is also that of the service's role.
    - owner: the role that runs migrations.
    - differences: the changes that bootstrap will make or has made.
    - reason: why the database waits or failed, with the next step; untrusted.
    """

    name: str
    owner: str
    result: Result
    differences: tuple[AccessDifference, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class DoorChange:
    """The rules that change at a load balancer that ECS made for private services.

    - group: the load balancer's security group, which has these rules.
    - opened: the callers that get access.
    - closed: the others, which lose it.
    """

    balancer: str
    group: str
    result: Result
    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bootstrap(Record, schema="slipway/bootstrap/1"):
    """All stacks of an environment in the order of their creation, with the monthly cost of the environment.

    - database: None when bootstrap did not create the service's database.
    - doors: the load balancers of the environment's private services.
    """

    environment: str
    stacks: tuple[StackChange, ...]
    cost: Cost | None = None
    database: DatabaseChange | None = None
    doors: tuple[DoorChange, ...] = ()

    @property
    def is_well(self) -> bool:
        results = [stack.result for stack in self.stacks]
        return all(result.is_well for result in [*results, *([self.database.result] if self.database else [])])


@dataclass(frozen=True)
class Permissions(Record, schema="slipway/permissions/1"):
    """The IAM policy document, as JSON text, that the commands `verbs` need."""

    environment: str
    verbs: tuple[str, ...]
    policy: str
