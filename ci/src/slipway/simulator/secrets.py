"""Secrets Manager and Parameter Store, and the values to which services refer by ARN."""

import json
import re
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_RECOVERY_DAYS = 30  # [M]
MARKED = "You can't perform this operation on the secret because it was marked for deletion."


_CURRENT, _PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}\Z")


@dataclass(kw_only=True)
class Secret:
    """A secret with its versions. Values are never shown."""

    arn: str
    values: dict[str, str] = field(default_factory=dict, repr=False)  # by version
    stages: dict[str, str] = field(default_factory=dict)  # versions by staging label
    created: datetime = _LONG_AGO
    changed: datetime = _LONG_AGO
    deleted: datetime | None = None  # when it will disappear; before that it can be restored

    @property
    def name(self) -> str:
        return self.partial_arn.rpartition(":")[2]

    @property
    def partial_arn(self) -> str:
        """The ARN without the six letters that AWS appends to the name."""
        return _SUFFIX.sub("", self.arn)

    def put(self, value: str, version: str, labels: Sequence[str] = (_CURRENT,)) -> None:
        """Add a version. The previous current version gets another label [M]."""
        self.values[version] = value
        if _CURRENT in labels and _CURRENT in self.stages:
            self.stages[_PREVIOUS] = self.stages[_CURRENT]
        self.stages |= dict.fromkeys(labels, version)

    def find(self, version: str = "", stage: str = "") -> str | None:
        """Return the id of a version, by its id, its label or both; without either, that of the current version."""
        staged = self.stages.get(stage or _CURRENT) if stage or not version else version
        return staged if staged in self.values and version in ("", staged) else None

    def labels(self) -> dict[str, list[str]]:
        """Return the labels of each version that has any, the oldest version first."""
        labelled = {version: [label for label, of in self.stages.items() if of == version] for version in self.values}
        return {version: labels for version, labels in labelled.items() if labels}

    def description(self) -> dict[str, Any]:
        times = {"CreatedDate": self.created, "LastChangedDate": self.changed, "DeletedDate": self.deleted}
        return {"ARN": self.arn, "Name": self.name, **times}


class Secrets:
    """Secrets Manager: secrets by ARN."""

    def __init__(self) -> None:
        self._secrets: dict[str, Secret] = {}
        self.operations: Operations = operations_of(self)

    def put(self, arn: str, value: str) -> None:
        """Set the current value of a secret. Create the secret if necessary."""
        secret = self._find(arn) or self._secrets.setdefault(arn, Secret(arn=arn))
        secret.put(value, str(uuid.uuid4()))

    def value(self, arn: str, version: str = "", stage: str = "") -> str | None:
        """Return a secret's value; None when the secret does not exist or is scheduled for deletion."""
        secret = self._find(arn)
        if secret is None or secret.deleted or (found := secret.find(version, stage)) is None:
            return None
        return secret.values[found]

    def is_deleted(self, arn: str) -> bool:
        """Return whether a secret is scheduled for deletion. Its ARN may end with a key."""
        secret = self._find(_split(arn)[0])
        return secret is not None and secret.deleted is not None

    async def create_secret(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["Name"]
        if (secret := self._find(name)) is not None:
            raise _taken(secret)
        suffix = secrets.token_urlsafe(8).replace("-", "x").replace("_", "y")[:6]
        arn = f"arn:aws:secretsmanager:{call.region}:{call.account}:secret:{name}-{suffix}"
        secret = self._secrets[arn] = Secret(arn=arn, created=call.now, changed=call.now)
        if "SecretString" not in request:
            return {"ARN": arn, "Name": name}
        version = request.get("ClientRequestToken") or str(uuid.uuid4())
        secret.put(request["SecretString"], version)
        return {"ARN": arn, "Name": name, "VersionId": version}

    async def describe_secret(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Describe a secret, even one that is scheduled for deletion [M]."""
        secret = self._existing(request["SecretId"])
        return secret.description() | {"VersionIdsToStages": secret.labels()}

    async def get_secret_value(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        secret = self._living(request["SecretId"])
        version = secret.find(request.get("VersionId", ""), request.get("VersionStage", ""))
        if version is None:
            named = request.get("VersionId") or f"staging label: {request.get('VersionStage', _CURRENT)}"
            message = f"Secrets Manager can't find the specified secret value for {named}"
            raise AwsError("ResourceNotFoundException", message)
        facts = {"VersionId": version, "VersionStages": secret.labels().get(version)}
        times = {"CreatedDate": secret.changed}
        return {"ARN": secret.arn, "Name": secret.name, "SecretString": secret.values[version], **facts, **times}

    async def put_secret_value(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Store a version. Repeating token and value changes nothing [M]."""
        secret, stages = self._living(request["SecretId"]), request.get("VersionStages", [_CURRENT])
        version, value = request.get("ClientRequestToken") or str(uuid.uuid4()), request.get("SecretString", "")
        if secret.values.get(version, value) != value:
            message = f"A version with the id {version} exists with another value."  # †
            raise AwsError("ResourceExistsException", message)
        if version not in secret.values:
            secret.put(value, version, stages)
            secret.changed = call.now
        return {"ARN": secret.arn, "Name": secret.name, "VersionId": version, "VersionStages": stages}

    async def delete_secret(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Schedule a secret for deletion, until when it can be restored, or delete it at once."""
        secret = self._living(request["SecretId"])
        if request.get("ForceDeleteWithoutRecovery"):
            del self._secrets[secret.arn]
            return {"ARN": secret.arn, "Name": secret.name, "DeletionDate": call.now}
        secret.deleted = call.now + timedelta(days=request.get("RecoveryWindowInDays", _RECOVERY_DAYS))
        return {"ARN": secret.arn, "Name": secret.name, "DeletionDate": secret.deleted}

    async def restore_secret(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        secret = self._existing(request["SecretId"])
        secret.deleted = None
        return {"ARN": secret.arn, "Name": secret.name}

    async def list_secrets(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """List secrets, those scheduled for deletion only on request. Filters are not simulated."""
        planned = request.get("IncludePlannedDeletion", False)
        secrets = [
            each.description() | {"SecretVersionsToStages": each.labels()}
            for each in self._secrets.values()
            if planned or not each.deleted
        ]
        return paged("SecretList", secrets, request)

    def _find(self, name_or_arn: str) -> Secret | None:
        """Return the secret with an ARN, with or without its last six letters [G], or with a name; None when there is none."""
        if secret := self._secrets.get(name_or_arn):
            return secret
        return next((each for each in self._secrets.values() if name_or_arn in (each.name, each.partial_arn)), None)

    def _existing(self, name_or_arn: str) -> Secret:
        secret = self._find(name_or_arn)
        if secret is None:
            raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return secret

    def _living(self, name_or_arn: str) -> Secret:
        secret = self._existing(name_or_arn)
        if secret.deleted:
            raise AwsError("InvalidRequestException", MARKED)
        return secret


def _taken(secret: Secret) -> AwsError:
    """Return the error for a name that is taken. It is taken until the secret disappears."""
    if secret.deleted:
        message = "You can't create this secret because a secret with this name is already scheduled for deletion."
        return AwsError("InvalidRequestException", message)
    return AwsError("ResourceExistsException", f"The operation failed because the secret {secret.name} already exists.")


_NAME = re.compile(r"/?[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")
_TYPE = "String"
_HIDDEN = "AQICAHencrypted"  # the value of a SecureString without WithDecryption; its form is †


@dataclass(kw_only=True)
class Parameter:
    """The last version of a parameter."""

    name: str
    value: str = field(repr=False)
    type: str = _TYPE
    version: int = 1
    changed: datetime = _LONG_AGO


class Parameters:
    """Parameter Store: parameters by name."""

    def __init__(self) -> None:
        self._parameters: dict[str, Parameter] = {}
        self.operations: Operations = operations_of(self)

    def put(self, name: str, value: str, kind: str = "SecureString") -> None:
        self._parameters[name] = Parameter(name=name, value=value, type=kind)

    def value(self, name_or_arn: str) -> str | None:
        parameter = self._find(name_or_arn)
        return parameter.value if parameter else None

    async def put_parameter(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Create a parameter, which needs a type. An existing one is changed only with Overwrite [M]."""
        name = request["Name"]
        previous = self._parameters.get(name)
        if previous is None and "Type" not in request:
            raise AwsError("ValidationException", "A parameter type is required when you create a parameter.")
        if not _NAME.fullmatch(name) or ("/" in name and not name.startswith("/")):
            raise AwsError("ValidationException", "Parameter name must be a fully qualified name.")
        if previous and not request.get("Overwrite"):
            message = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."
            raise AwsError("ParameterAlreadyExists", message)
        kind = request.get("Type") or (previous.type if previous else _TYPE)
        version = previous.version + 1 if previous else 1
        self._parameters[name] = Parameter(
            name=name, value=request["Value"], type=kind, version=version, changed=call.now
        )
        return {"Version": version, "Tier": "Standard"}

    async def get_parameter(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        parameter = self._find(request["Name"])
        if parameter is None:
            raise AwsError("ParameterNotFound", "")
        return {"Parameter": _described(parameter, call, decrypted=request.get("WithDecryption", False))}

    async def get_parameters(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Return parameters. Missing parameters are listed, and are no error [M]."""
        parameters = {name: self._find(name) for name in request["Names"]}
        decrypted = request.get("WithDecryption", False)
        return {
            "Parameters": [_described(each, call, decrypted=decrypted) for each in parameters.values() if each],
            "InvalidParameters": [name for name, parameter in parameters.items() if parameter is None],
        }

    async def describe_parameters(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Describe parameters without values. They can be filtered by Name and Type."""
        filters = [_filter(each) for each in request.get("ParameterFilters", [])]
        parameters = [each for each in self._parameters.values() if all(fits(each) for fits in filters)]
        description = [_described(each, call) | {"Value": None} for each in parameters]
        return paged("Parameters", description, request, most=50)

    async def delete_parameter(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        parameter = self._find(request["Name"])
        if parameter is None:
            raise AwsError("ParameterNotFound", "")
        del self._parameters[parameter.name]
        return {}

    def _find(self, name_or_arn: str) -> Parameter | None:
        """Return the parameter with a name or ARN.

        An ARN does not show whether the name begins with a slash, so both forms are tried.
        """
        name = name_or_arn.partition(":parameter/")[2] or name_or_arn
        return self._parameters.get(name) or (self._parameters.get(f"/{name}") if name != name_or_arn else None)


def _described(parameter: Parameter, call: Call, *, decrypted: bool = False) -> dict[str, Any]:
    hidden = parameter.type == "SecureString" and not decrypted
    return {
        "Name": parameter.name,
        "ARN": f"arn:aws:ssm:{call.region}:{call.account}:parameter/{parameter.name.removeprefix('/')}",
        "Type": parameter.type,
        "Value": _HIDDEN if hidden else parameter.value,
        "Version": parameter.version,
        "LastModifiedDate": parameter.changed,
        "DataType": "text",
    }


_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "Equals": str.__eq__,
    "BeginsWith": str.startswith,
    "Contains": str.__contains__,
}


def _filter(request: Mapping[str, Any]) -> Callable[[Parameter], bool]:
    values, option = request.get("Values", []), request.get("Option", "Equals")
    if request["Key"] not in ("Name", "Type"):
        raise AwsError("InvalidFilterKey", f"The simulator does not filter by {request['Key']}.")
    fits = _COMPARISONS.get(option)
    if fits is None:
        raise AwsError("InvalidFilterOption", f"The simulator does not filter by {option}.")
    key = request["Key"].lower()
    return lambda parameter: any(fits(getattr(parameter, key), value) for value in values)


_PARTS_OF_SECRET = 7  # arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME


@dataclass(frozen=True)
class References:
    """Values, by the references that services use."""

    secrets: Secrets = field(default_factory=Secrets)
    parameters: Parameters = field(default_factory=Parameters)

    def value(self, reference: str) -> str | None:
        """Return the value of a reference; None when its target does not exist.

        A plain name is a parameter [G]. A secret's ARN may end with a key of its JSON.
        """
        arn, key, stage, version = _split(reference)
        if not arn.startswith("arn:") or ":ssm:" in arn:
            return self.parameters.value(arn)
        value = self.secrets.value(arn, version, stage)
        return value if value is None or not key else _member(value, key)

    def put(self, reference: str, value: str) -> None:
        """Set the value of a reference. Other keys in a secret's JSON keep their values."""
        arn, key, *_ = _split(reference)
        if not arn.startswith("arn:") or ":ssm:" in arn:
            self.parameters.put(arn.partition(":parameter")[2] or arn, value)
        elif key:
            self.secrets.put(arn, json.dumps(_document(self.secrets.value(arn) or "{}") | {key: value}))
        else:
            self.secrets.put(arn, value)


def _split(reference: str) -> tuple[str, str, str, str]:
    """Split a secret's reference, `ARN:KEY:STAGE:VERSION` as in ECS task definitions; on App Runner †."""
    parts = reference.split(":") if ":secretsmanager:" in reference else [reference]
    key, stage, version = (*parts[_PARTS_OF_SECRET:], "", "", "")[:3]
    return ":".join(parts[:_PARTS_OF_SECRET]), key, stage, version


def _document(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return dict(document) if isinstance(document, Mapping) else {}


def _member(text: str, key: str) -> str | None:
    value = _document(text).get(key)
    return value if isinstance(value, str) or value is None else json.dumps(value)
