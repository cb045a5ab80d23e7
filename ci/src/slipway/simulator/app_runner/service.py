"""A service: its configuration in the API's terms, its operations, its instance, and the calls that each state allows.

Marks: [G] developer guide, [M] API model in boto3 1.44, [F] field reports, † unverified.
"""

import copy
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from slipway.simulator.app_runner.shared import SharedRevision, scaling_summary
from slipway.simulator.contract import AwsError
from slipway.simulator.iam import Iam
from slipway.simulator.platform import SimulatedInstance
from slipway.simulator.serving import Front
from slipway.workload.workload import HealthCheck

Configuration = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """App Runner's durations, in seconds of the platform's own time."""

    pull: float = 30
    create: float = 180
    update: float = 60
    timeout: float = 270
    route: float = 60
    roll_back: float = 60


_UNITS = {"0.25 vCPU": "256", "0.5 vCPU": "512", "1 vCPU": "1024", "2 vCPU": "2048", "4 vCPU": "4096"}
_MEMORY_OF_CPU = {  # [G]
    "256": ("512", "1024"),
    "512": ("1024",),
    "1024": ("2048", "3072", "4096"),
    "2048": ("4096", "6144"),
    "4096": ("8192", "10240", "12288"),
}
_LAST_PORT = 65535
_DEFAULTS: dict[str, Any] = {  # [M]
    "SourceConfiguration": {"AutoDeploymentsEnabled": True},
    "InstanceConfiguration": {"Cpu": "1024", "Memory": "2048"},
    "HealthCheckConfiguration": {
        "Protocol": "TCP",
        "Path": "/",
        "Interval": 5,
        "Timeout": 2,
        "HealthyThreshold": 1,
        "UnhealthyThreshold": 5,
    },
    "NetworkConfiguration": {
        "EgressConfiguration": {"EgressType": "DEFAULT"},
        "IngressConfiguration": {"IsPubliclyAccessible": True},
        "IpAddressType": "IPV4",
    },
    "ObservabilityConfiguration": {"ObservabilityEnabled": False},
}


def configuration_of(request: Mapping[str, Any]) -> Configuration:
    """Return the configuration for a CreateService request, with all defaults."""
    repository = request["SourceConfiguration"].get("ImageRepository", {})
    deploys = repository.get("ImageRepositoryType") != "ECR_PUBLIC"  # [M]
    # Only a creation can set this [M].
    key = {part: request[part] for part in ("EncryptionConfiguration",) if part in request}
    return {**merged(_DEFAULTS | {"SourceConfiguration": {"AutoDeploymentsEnabled": deploys}}, request), **key}


def merged(current: Configuration, request: Mapping[str, Any]) -> Configuration:
    """Return the configuration after an UpdateService request.

    Fields that the request leaves out keep their values, even within ImageConfiguration [F].
    """
    requested = {part: request[part] for part in _DEFAULTS if request.get(part) is not None}
    if "CodeRepository" in requested.get("SourceConfiguration", {}):
        message = "A service deploys either from an image or from code, and cannot change from one to the other."  # [M], message †
        raise AwsError("InvalidRequestException", message)
    result: dict[str, Any] = _overlaid(current, requested)
    instance = result["InstanceConfiguration"]
    instance["Cpu"] = _UNITS.get(instance["Cpu"], instance["Cpu"])
    instance["Memory"] = _megabytes(instance["Memory"])
    _check(result)
    return result


def _overlaid(below: Any, above: Any) -> Any:
    """Merge structures. Lists, single values and maps of variables are replaced."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return copy.deepcopy(above)
    replaced = ("RuntimeEnvironmentVariables", "RuntimeEnvironmentSecrets")
    both = {key: value if key in replaced else _overlaid(below.get(key), value) for key, value in above.items()}
    return copy.deepcopy(dict(below)) | both


def _megabytes(memory: str) -> str:
    """Convert memory to the unit of answers: "2 GB" is 2048 [G]."""
    return str(int(float(memory.removesuffix(" GB")) * 1024)) if memory.endswith(" GB") else memory


def _check(configuration: Mapping[str, Any]) -> None:
    source, instance = configuration["SourceConfiguration"], configuration["InstanceConfiguration"]
    if "ImageRepository" not in source:
        raise AwsError("InvalidRequestException", "The simulator deploys from an ImageRepository.")
    role = source.get("AuthenticationConfiguration", {}).get("AccessRoleArn")
    if source["ImageRepository"]["ImageRepositoryType"] == "ECR" and role is None:
        raise AwsError("InvalidRequestException", "Authentication configuration is invalid.")
    port = source["ImageRepository"].get("ImageConfiguration", {}).get("Port", "8080")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= _LAST_PORT):
        raise AwsError("InvalidRequestException", f"Invalid port: {port}.")  # †
    if instance["Memory"] not in _MEMORY_OF_CPU.get(instance["Cpu"], ()):
        message = f"Invalid CPU/memory configuration: {instance['Cpu']} and {instance['Memory']}."
        raise AwsError("InvalidRequestException", message)


def health_check(configuration: Configuration) -> HealthCheck:
    check = configuration["HealthCheckConfiguration"]
    return HealthCheck(
        path=check["Path"] if check["Protocol"] == "HTTP" else None,
        interval=check["Interval"],
        timeout=check["Timeout"],
        healthy_threshold=check["HealthyThreshold"],
        unhealthy_threshold=check["UnhealthyThreshold"],
    )


# App Runner pulls the image with one role, and gives the other one to the instances [G].
BUILD, TASKS = "build.apprunner.amazonaws.com", "tasks.apprunner.amazonaws.com"


def check_roles(iam: Iam, configuration: Configuration, now: datetime) -> None:
    """Raise AwsError for a role that is missing, not yet known everywhere, or trusts another service.

    AWS's error does not distinguish these [F].
    """
    access = configuration["SourceConfiguration"].get("AuthenticationConfiguration", {}).get("AccessRoleArn")
    instance = configuration["InstanceConfiguration"].get("InstanceRoleArn")
    if access and not iam.may_assume(access, BUILD, now):
        raise AwsError("InvalidRequestException", f"Error in assuming access role {access}")  # [F]
    if instance and not iam.may_assume(instance, TASKS, now):
        raise AwsError("InvalidRequestException", f"Error in assuming instance role {instance}")  # †


class Reaction(Enum):
    """A service's reaction to a call."""

    BEGINS = "begins"
    UNCHANGED = "unchanged"  # status 200 and no OperationId
    INVALID_STATE = "InvalidStateException"
    INVALID_REQUEST = "InvalidRequestException"
    NOT_FOUND = "ResourceNotFoundException"


STATES = ("RUNNING", "OPERATION_IN_PROGRESS", "PAUSED", "CREATE_FAILED", "DELETE_FAILED", "DELETED")

_BEGINS, _UNCHANGED, _STATE, _REQUEST, _GONE = Reaction
_TABLE = {
    # PAUSED: "You can't update a paused service" [G]; CREATE_FAILED is rebuilt since 2023-06 [G]; DELETE_FAILED, DELETED †
    "UpdateService": (_BEGINS, _STATE, _STATE, _BEGINS, _STATE, _GONE),
    # No InvalidStateException in its model [M]; which error comes instead: [F]
    "StartDeployment": (_BEGINS, _REQUEST, _REQUEST, _REQUEST, _REQUEST, _GONE),
    # A repeated call is answered like a success †
    "PauseService": (_BEGINS, _STATE, _UNCHANGED, _STATE, _STATE, _GONE),
    "ResumeService": (_UNCHANGED, _STATE, _BEGINS, _STATE, _STATE, _GONE),
    # OPERATION_IN_PROGRESS [F], DELETE_FAILED [M], PAUSED, DELETED †
    "DeleteService": (_BEGINS, _STATE, _BEGINS, _BEGINS, _BEGINS, _GONE),
}
_DONE = {"UpdateService": "updated", "PauseService": "paused", "ResumeService": "resumed", "DeleteService": "deleted"}


def not_found(arn: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Service with the provided ARN doesn't exist: {arn}.")  # †


@dataclass(kw_only=True)
class ServiceOperation:
    """A change of a service, with the states of the API."""

    type: str
    target_arn: str
    started: datetime
    status: str = "IN_PROGRESS"
    ended: datetime | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def deployment(self) -> str:
        """The id in names of log streams, without dashes [F]."""
        return self.id.replace("-", "")

    def description(self) -> dict[str, Any]:
        """Return the API's OperationSummary. It has no message, image or actor."""
        times = {"StartedAt": self.started, "UpdatedAt": self.ended or self.started, "EndedAt": self.ended}
        return {"Id": self.id, "Type": self.type, "Status": self.status, "TargetArn": self.target_arn} | times


@dataclass(kw_only=True)
class Service:
    """A service as it is between two calls."""

    name: str
    arn: str
    created: datetime
    configuration: Configuration  # the live configuration, or the one being created
    front: Front
    scaling: SharedRevision
    pace: Pace
    tags: dict[str, str] = field(default_factory=dict)
    # the service's own domain names, each with whether it includes www.
    domains: dict[str, bool] = field(default_factory=dict)
    status: str = "OPERATION_IN_PROGRESS"
    updated: datetime | None = None
    deleted: datetime | None = None
    operations: list[ServiceOperation] = field(default_factory=list)
    instance: SimulatedInstance | None = None
    failing: set[str] = field(default_factory=set)  # operation types, and ROLLBACK, that a script makes fail

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def log_group(self) -> str:
        """The log group's name without its last part, `service` or `application`."""
        return f"/aws/apprunner/{self.name}/{self.id}"

    @property
    def dns(self) -> str:
        """The DNS name to which records of the service's own domains point."""
        return f"{self.id[:10]}.{self.arn.split(':')[3]}.awsapprunner.com"

    def answers_for(self, host: str) -> bool:
        """Return whether the service has a certificate for a host."""
        return self.domains.get(host.removeprefix("www."), False) if host.startswith("www.") else host in self.domains

    def begins(self, call: str) -> bool:
        """Return whether a call begins an operation; False means that it changes nothing.

        Raise AwsError when the state forbids the call.
        """
        match _TABLE[call][STATES.index(self.status)]:
            case Reaction.INVALID_STATE:
                # The words are [F]; those for pause and resume †.
                message = f"Service cannot be {_DONE[call]} in the current state: {self.status}."
                raise AwsError("InvalidStateException", message)
            case Reaction.INVALID_REQUEST:
                message = "Can't start a deployment on the specified service, because it isn't in RUNNING state."  # [F]
                raise AwsError("InvalidRequestException", message)
            case Reaction.NOT_FOUND:
                raise not_found(self.arn)
            case permitted:
                return permitted is Reaction.BEGINS

    def serves_from(self, instance: SimulatedInstance) -> bool:
        return self.instance is instance and self.status == "RUNNING"

    def description(self) -> dict[str, Any]:
        return {
            "ServiceName": self.name,
            "ServiceId": self.id,
            "ServiceArn": self.arn,
            "ServiceUrl": self.front.address,
            "CreatedAt": self.created,
            "UpdatedAt": self.updated or self.created,
            "DeletedAt": self.deleted,
            "Status": self.status,
            "AutoScalingConfigurationSummary": scaling_summary(self.scaling),
            **self.configuration,
        }
