"""AWS Secrets Manager, as far as a service is given its secrets by ARN."""

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError


class Secrets:
    """Values by ARN. They are given to workloads and to whoever asks as AWS would be asked; they are in no log."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self.operations: Operations = {
            "CreateSecret": self.create_secret,
            "DescribeSecret": self.describe_secret,
            "GetSecretValue": self.get_secret_value,
        }

    def put(self, arn: str, value: str) -> None:
        self._values[arn] = value

    def value(self, arn: str) -> str | None:
        return self._values.get(arn)

    async def create_secret(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["Name"]
        if self._find(name) is not None:
            raise AwsError("ResourceExistsException", f"The operation failed because the secret {name} already exists.")
        suffix = secrets.token_urlsafe(8).replace("-", "x").replace("_", "y")[:6]
        arn = f"arn:aws:secretsmanager:{call.region}:{call.account}:secret:{name}-{suffix}"
        self.put(arn, request.get("SecretString", ""))
        return {"ARN": arn, "Name": name, "VersionId": str(uuid.uuid4())}

    async def describe_secret(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        arn = self._existing(request["SecretId"])
        return {"ARN": arn, "Name": _name(arn)}

    async def get_secret_value(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        arn = self._existing(request["SecretId"])
        return {"ARN": arn, "Name": _name(arn), "SecretString": self._values[arn]}

    def _find(self, name_or_arn: str) -> str | None:
        return next((arn for arn in self._values if name_or_arn in (arn, _name(arn))), None)

    def _existing(self, name_or_arn: str) -> str:
        arn = self._find(name_or_arn)
        if arn is None:
            raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return arn


def _name(arn: str) -> str:
    return arn.rpartition(":")[2].rpartition("-")[0]
