"""What several services share: auto scaling configurations, VPC connectors, observability configurations.

Each has a name and revisions; another one of the same name is its next revision, and a deleted one is described as INACTIVE [M].
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError

DEFAULT_SCALING = "DefaultConfiguration"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How the API calls a kind of resource [M].

    `given` are the members that a creation sets, with their defaults; `unlisted` those that a list leaves out; `used` is said of
    one that cannot be deleted because a service has it.
    """

    noun: str
    path: str
    given: Mapping[str, Any]
    latest: bool
    unlisted: tuple[str, ...] = ()
    plural: str = ""
    used: str = "{arn} is associated with a service."  # †

    @property
    def listed(self) -> str:
        return self.plural or f"{self.noun}SummaryList"


SCALING = Kind(
    noun="AutoScalingConfiguration",
    path="autoscalingconfiguration",
    given={"MaxConcurrency": 100, "MinSize": 1, "MaxSize": 25},
    latest=True,
    unlisted=("MaxConcurrency", "MinSize", "MaxSize", "Latest"),
)
OBSERVABILITY = Kind(
    noun="ObservabilityConfiguration",
    path="observabilityconfiguration",
    given={"TraceConfiguration": None},
    latest=True,
    unlisted=("TraceConfiguration", "Latest", "Status", "CreatedAt"),
)
CONNECTOR = Kind(
    noun="VpcConnector",
    path="vpcconnector",
    given={"Subnets": (), "SecurityGroups": ()},
    latest=False,
    plural="VpcConnectors",
    used="Provided VPC connector arn is being used by other services. ARN:  {arn}",  # [F] aws/apprunner-roadmap#161
)


@dataclass(kw_only=True)
class Revision:
    """One revision of a resource."""

    name: str
    number: int
    arn: str
    created: datetime
    facts: Mapping[str, Any]
    deleted: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)


class Shared:
    """The resources of one kind. `used` answers whether a service has the resource with an ARN."""

    def __init__(self, kind: Kind, used: Callable[[str], bool]) -> None:
        self._kind = kind
        self._used = used
        self._revisions: dict[str, Revision] = {}
        noun = kind.noun
        plural = kind.plural or f"{noun}s"
        self.operations: Operations = {
            f"Create{noun}": self.create,
            f"Describe{noun}": self.describe,
            f"Delete{noun}": self.delete,
            f"List{plural}": self.list_active,
        }

    async def create(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """A new name, or the next revision of one that is there."""
        name = request[f"{self._kind.noun}Name"]
        number = max((found.number for found in self._named(name)), default=0) + 1
        facts = {member: request.get(member, default) for member, default in self._kind.given.items()}
        if facts.get("MinSize", 1) > facts.get("MaxSize", 25):
            raise AwsError("InvalidRequestException", "MinSize must not be greater than MaxSize.")  # †
        arn = f"arn:aws:apprunner:{call.region}:{call.account}:{self._kind.path}/{name}/{number}/{uuid.uuid4().hex}"
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
        self._revisions[arn] = Revision(name=name, number=number, arn=arn, created=call.now, facts=facts, tags=tags)
        return {self._kind.noun: self._described(self._revisions[arn])}

    async def describe(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Also a deleted one by its ARN; an ARN without a revision is the last one that is not [M]."""
        arn = request[f"{self._kind.noun}Arn"]
        return {self._kind.noun: self._described(self._revisions.get(arn) or self._last(arn) or self._existing(arn))}

    async def delete(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Refused while a service has it."""
        revision = self._existing(request[f"{self._kind.noun}Arn"])
        if self._used(revision.arn):
            raise AwsError("InvalidRequestException", self._kind.used.format(arn=revision.arn))
        revision.deleted = call.now
        return {self._kind.noun: self._described(revision)}

    async def list_active(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Active ones; of each name the last revision only, if so asked."""
        wanted = request.get(f"{self._kind.noun}Name")
        there = [found for found in self._revisions.values() if not found.deleted and wanted in (None, found.name)]
        if self._kind.latest and request.get("LatestOnly", wanted is None):
            there = [found for found in there if found is self._latest(found.name)]
        first = int(request.get("NextToken", 0))
        page = there[first : first + request.get("MaxResults", 100)]
        more = first + len(page) < len(there)
        return {self._kind.listed: [self._listed(found) for found in page]} | (
            {"NextToken": str(first + len(page))} if more else {}
        )

    def resolve(self, arn: str) -> Revision:
        """The revision that an ARN names: exactly, or the last one when the ARN ends in the name or in name and number [M]. Raises AwsError."""
        revision = self._last(arn)
        if revision is None:
            raise AwsError("InvalidRequestException", f"{self._kind.noun} doesn't exist: {arn}.")  # †
        return revision

    def _last(self, arn: str) -> Revision | None:
        prefix, _, named = arn.partition(f":{self._kind.path}/")
        name, _, number = named.partition("/")
        if self._kind is SCALING and name == DEFAULT_SCALING and not self._named(name):
            return default_scaling(prefix)
        wanted = number.partition("/")[0]
        for revision in reversed(self._named(name)):
            if revision.arn == arn or (number.count("/") == 0 and wanted in ("", str(revision.number))):
                return revision
        return None

    def find(self, arn: str) -> Revision | None:
        return self._revisions.get(arn)

    def _named(self, name: str) -> list[Revision]:
        return [found for found in self._revisions.values() if found.name == name and not found.deleted]

    def _latest(self, name: str) -> Revision:
        return self._named(name)[-1]

    def _existing(self, arn: str) -> Revision:
        if arn not in self._revisions:
            raise AwsError("ResourceNotFoundException", f"{self._kind.noun} doesn't exist: {arn}.")  # †
        return self._revisions[arn]

    def _described(self, revision: Revision) -> dict[str, Any]:
        noun = self._kind.noun
        facts = {
            f"{noun}Name": revision.name,
            f"{noun}Arn": revision.arn,
            f"{noun}Revision": revision.number,
            "Status": "INACTIVE" if revision.deleted else "ACTIVE",
            "CreatedAt": revision.created,
        }
        facts |= {member: value for member, value in revision.facts.items() if value is not None}
        if self._kind.latest:
            facts["Latest"] = not revision.deleted and revision is self._latest(revision.name)
        if self._kind is SCALING:
            facts |= {"HasAssociatedService": self._used(revision.arn), "IsDefault": False}
        return facts | ({"DeletedAt": revision.deleted} if revision.deleted else {})

    def _listed(self, revision: Revision) -> dict[str, Any]:
        return {key: value for key, value in self._described(revision).items() if key not in self._kind.unlisted}


def default_scaling(prefix: str) -> Revision:
    """What every account has from the beginning; `prefix` is the beginning of its ARNs, up to the account [G]."""
    arn = f"{prefix}:{SCALING.path}/{DEFAULT_SCALING}/1/{1:032d}"
    return Revision(
        name=DEFAULT_SCALING, number=1, arn=arn, created=datetime.fromtimestamp(0, UTC), facts=SCALING.given
    )


def scaling_summary(revision: Revision) -> dict[str, Any]:
    """As a described service names its auto scaling."""
    prefix = "AutoScalingConfiguration"
    return {f"{prefix}Arn": revision.arn, f"{prefix}Name": revision.name, f"{prefix}Revision": revision.number}
