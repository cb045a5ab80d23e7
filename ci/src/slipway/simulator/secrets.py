"""AWS Secrets Manager, as far as a service is given its secrets by ARN."""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_RECOVERY_DAYS = 30  # [M]


@dataclass(kw_only=True)
class Secret:
    """One secret; `deleted` is the day on which it will be gone, while it can still be restored."""

    arn: str
    value: str = field(repr=False)
    changed: datetime = _LONG_AGO
    version: str = field(default_factory=lambda: str(uuid.uuid4()))
    deleted: datetime | None = None

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2].rpartition("-")[0]

    def described(self) -> dict[str, Any]:
        facts = {"ARN": self.arn, "Name": self.name, "LastChangedDate": self.changed}
        return facts | ({"DeletedDate": self.deleted} if self.deleted else {})


class Secrets:
    """Values by ARN. They are given to workloads and to whoever asks as AWS would be asked; they are in no log."""

    def __init__(self) -> None:
        self._secrets: dict[str, Secret] = {}
        self.operations: Operations = {
            "CreateSecret": self.create_secret,
            "DescribeSecret": self.describe_secret,
            "GetSecretValue": self.get_secret_value,
            "PutSecretValue": self.put_secret_value,
            "DeleteSecret": self.delete_secret,
            "RestoreSecret": self.restore_secret,
            "ListSecrets": self.list_secrets,
        }

    def put(self, arn: str, value: str) -> None:
        self._secrets[arn] = Secret(arn=arn, value=value)

    def value(self, arn: str) -> str | None:
        """None when there is no such secret, or none any more."""
        found = self._secrets.get(arn)
        return found.value if found and not found.deleted else None

    async def create_secret(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["Name"]
        if (there := self._find(name)) is not None:
            raise _taken(there)
        suffix = secrets.token_urlsafe(8).replace("-", "x").replace("_", "y")[:6]
        arn = f"arn:aws:secretsmanager:{call.region}:{call.account}:secret:{name}-{suffix}"
        made = self._secrets[arn] = Secret(arn=arn, value=request.get("SecretString", ""), changed=call.now)
        return {"ARN": arn, "Name": name, "VersionId": made.version}

    async def describe_secret(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Also one that is scheduled for deletion [M]."""
        return self._existing(request["SecretId"]).described()

    async def get_secret_value(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        found = self._living(request["SecretId"])
        return {"ARN": found.arn, "Name": found.name, "SecretString": found.value, "VersionId": found.version}

    async def put_secret_value(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        found = self._living(request["SecretId"])
        found.value, found.changed, found.version = request.get("SecretString", ""), call.now, str(uuid.uuid4())
        stages = request.get("VersionStages", ["AWSCURRENT"])
        return {"ARN": found.arn, "Name": found.name, "VersionId": found.version, "VersionStages": stages}

    async def delete_secret(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """It can be restored for as many days as were asked for, or is gone at once."""
        found = self._living(request["SecretId"])
        if request.get("ForceDeleteWithoutRecovery"):
            del self._secrets[found.arn]
            return {"ARN": found.arn, "Name": found.name, "DeletionDate": call.now}
        found.deleted = call.now + timedelta(days=request.get("RecoveryWindowInDays", _RECOVERY_DAYS))
        return {"ARN": found.arn, "Name": found.name, "DeletionDate": found.deleted}

    async def restore_secret(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        found = self._existing(request["SecretId"])
        found.deleted = None
        return {"ARN": found.arn, "Name": found.name}

    async def list_secrets(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Without those that are scheduled for deletion, unless they are asked for; by no filter."""
        all_of_them = request.get("IncludePlannedDeletion", False)
        there = [found.described() for found in self._secrets.values() if all_of_them or not found.deleted]
        first = int(request.get("NextToken", 0))
        page = there[first : first + request.get("MaxResults", 100)]
        more = first + len(page)
        return {"SecretList": page} | ({"NextToken": str(more)} if more < len(there) else {})

    def _find(self, name_or_arn: str) -> Secret | None:
        return next((found for found in self._secrets.values() if name_or_arn in (found.arn, found.name)), None)

    def _existing(self, name_or_arn: str) -> Secret:
        found = self._find(name_or_arn)
        if found is None:
            raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return found

    def _living(self, name_or_arn: str) -> Secret:
        found = self._existing(name_or_arn)
        if found.deleted:
            said = "You can't perform this operation on the secret because it was marked for deletion."
            raise AwsError("InvalidRequestException", said)
        return found


def _taken(there: Secret) -> AwsError:
    """A name stays taken until the secret is gone."""
    if there.deleted:
        said = "You can't create this secret because a secret with this name is already scheduled for deletion."
        return AwsError("InvalidRequestException", said)
    return AwsError("ResourceExistsException", f"The operation failed because the secret {there.name} already exists.")
