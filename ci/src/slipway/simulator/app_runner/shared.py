"""Resources that several services share: auto scaling configurations, VPC connectors, observability configurations.

A resource has a name and revisions: creating it again under the same name makes the next revision. A deleted one is
described as INACTIVE [M].
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, Quotas, paged, tags_of

DEFAULT_SCALING = "DefaultConfiguration"


@dataclass(frozen=True, kw_only=True)
class SharedKind:
    """A kind of shared resource, with its names in the API [M]."""

    noun: str
    path: str  # the part of ARNs
    members: Mapping[str, Any]  # fields that a creation sets, with their defaults
    latest: bool  # whether the API marks the latest revision
    unlisted: tuple[str, ...] = ()  # fields that lists leave out
    plural: str = ""
    used: str = "{arn} is associated with a service."  # the error when it cannot be deleted †

    @property
    def listed(self) -> str:
        return self.plural or f"{self.noun}SummaryList"


SCALING = SharedKind(
    noun="AutoScalingConfiguration",
    path="autoscalingconfiguration",
    members={"MaxConcurrency": 100, "MinSize": 1, "MaxSize": 25},
    latest=True,
    unlisted=("MaxConcurrency", "MinSize", "MaxSize", "Latest"),
)
OBSERVABILITY = SharedKind(
    noun="ObservabilityConfiguration",
    path="observabilityconfiguration",
    members={"TraceConfiguration": None},
    latest=True,
    unlisted=("TraceConfiguration", "Latest", "Status", "CreatedAt"),
)
CONNECTOR = SharedKind(
    noun="VpcConnector",
    path="vpcconnector",
    members={"Subnets": (), "SecurityGroups": ()},
    latest=False,
    plural="VpcConnectors",
    used="Provided VPC connector arn is being used by other services. ARN:  {arn}",  # [F] aws/apprunner-roadmap#161
)


@dataclass(kw_only=True)
class SharedRevision:
    """A revision of a shared resource."""

    name: str
    number: int
    arn: str
    created: datetime
    facts: Mapping[str, Any]
    deleted: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)


class Shared:
    """The resources of one kind. `used` returns whether a service uses an ARN."""

    def __init__(self, kind: SharedKind, used: Callable[[str], bool], quotas: Quotas) -> None:
        self._kind = kind
        self._quotas = quotas
        self._used = used
        self._revisions: dict[str, SharedRevision] = {}
        noun = kind.noun
        plural = kind.plural or f"{noun}s"
        self.operations: Operations = {
            f"Create{noun}": self.create,
            f"Describe{noun}": self.describe,
            f"Delete{noun}": self.delete,
            f"List{plural}": self.list_active,
        }

    async def create(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Create a name, or the next revision of an existing one."""
        name = request[f"{self._kind.noun}Name"]
        names = {revision.name for revision in self._revisions.values() if not revision.deleted}
        if len(names | {name}) > self._quotas.shared:
            raise exceeded(f"{self._quotas.shared} {self._kind.noun} names")
        number = max((revision.number for revision in self._named(name)), default=0) + 1
        facts = {member: request.get(member, default) for member, default in self._kind.members.items()}
        if facts.get("MinSize", 1) > facts.get("MaxSize", 25):
            raise AwsError("InvalidRequestException", "MinSize must not be greater than MaxSize.")  # †
        arn = f"arn:aws:apprunner:{call.region}:{call.account}:{self._kind.path}/{name}/{number}/{uuid.uuid4().hex}"
        tags = tags_of(request)
        self._revisions[arn] = SharedRevision(
            name=name, number=number, arn=arn, created=call.now, facts=facts, tags=tags
        )
        return {self._kind.noun: self._described(self._revisions[arn])}

    async def describe(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Describe deleted revisions by ARN too; an ARN without a revision means the latest active one [M]."""
        arn = request[f"{self._kind.noun}Arn"]
        return {self._kind.noun: self._described(self._revisions.get(arn) or self._last(arn) or self._existing(arn))}

    async def delete(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Delete a revision, or all of its name; refused while a service uses one."""
        arn = request[f"{self._kind.noun}Arn"]
        revision = self._last(arn) or self._existing(arn)
        going = self._named(revision.name) if request.get("DeleteAllRevisions") else [revision]
        for each in going:
            if self._used(each.arn):
                raise AwsError("InvalidRequestException", self._kind.used.format(arn=each.arn))
        for each in going:
            each.deleted = call.now
        return {self._kind.noun: self._described(revision)}

    async def list_active(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """List the active revisions, or the latest one of each name."""
        name = request.get(f"{self._kind.noun}Name")
        revisions = [each for each in self._revisions.values() if not each.deleted and name in (None, each.name)]
        if self._kind.latest and request.get("LatestOnly", name is None):
            revisions = [each for each in revisions if each is self._latest(each.name)]
        listed = [
            {key: value for key, value in self._described(each).items() if key not in self._kind.unlisted}
            for each in revisions
        ]
        return paged(self._kind.listed, listed, request)

    def resolve(self, arn: str) -> SharedRevision:
        """Return the revision with an ARN, or the latest one for an ARN that ends with the name or number [M].

        Raise AwsError when there is none.
        """
        revision = self._last(arn)
        if revision is None:
            raise AwsError("InvalidRequestException", f"{self._kind.noun} doesn't exist: {arn}.")  # †
        return revision

    def _last(self, arn: str) -> SharedRevision | None:
        prefix, _, named = arn.partition(f":{self._kind.path}/")
        name, _, number = named.partition("/")
        if self._kind is SCALING and name == DEFAULT_SCALING and not self._named(name):
            return default_scaling(prefix)
        short = number.partition("/")[0]
        for revision in reversed(self._named(name)):
            if revision.arn == arn or (number.count("/") == 0 and short in ("", str(revision.number))):
                return revision
        return None

    def find(self, arn: str) -> SharedRevision | None:
        return self._revisions.get(arn)

    def _named(self, name: str) -> list[SharedRevision]:
        return [each for each in self._revisions.values() if each.name == name and not each.deleted]

    def _latest(self, name: str) -> SharedRevision:
        return self._named(name)[-1]

    def _existing(self, arn: str) -> SharedRevision:
        if arn not in self._revisions:
            raise AwsError("ResourceNotFoundException", f"{self._kind.noun} doesn't exist: {arn}.")  # †
        return self._revisions[arn]

    def _described(self, revision: SharedRevision) -> dict[str, Any]:
        noun = self._kind.noun
        facts = {
            f"{noun}Name": revision.name,
            f"{noun}Arn": revision.arn,
            f"{noun}Revision": revision.number,
            "Status": "INACTIVE" if revision.deleted else "ACTIVE",
            "CreatedAt": revision.created,
            "DeletedAt": revision.deleted,
            **revision.facts,
        }
        if self._kind.latest:
            facts["Latest"] = not revision.deleted and revision is self._latest(revision.name)
        if self._kind is SCALING:
            facts |= {"HasAssociatedService": self._used(revision.arn), "IsDefault": False}
        return facts


def exceeded(quota: str) -> AwsError:
    return AwsError("ServiceQuotaExceededException", f"You've reached your account quota of {quota}.")  # †


def default_scaling(prefix: str) -> SharedRevision:
    """Return the revision that every account has. `prefix` is its ARN up to the account [G]."""
    arn = f"{prefix}:{SCALING.path}/{DEFAULT_SCALING}/1/{1:032d}"
    return SharedRevision(
        name=DEFAULT_SCALING, number=1, arn=arn, created=datetime.fromtimestamp(0, UTC), facts=SCALING.members
    )


def scaling_summary(revision: SharedRevision) -> dict[str, Any]:
    """Return the auto scaling summary of a described service."""
    prefix = "AutoScalingConfiguration"
    return {f"{prefix}Arn": revision.arn, f"{prefix}Name": revision.name, f"{prefix}Revision": revision.number}
