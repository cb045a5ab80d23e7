"""A service's configuration in the API's terms: defaults, inheritance, validation, the roles in it.

[G] App Runner developer guide, [M] service model of boto3 1.44, [F] field reports.
"""

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slipway.simulator.contract import AwsError
from slipway.simulator.iam import Iam

Configuration = Mapping[str, Any]

_UNITS = {"0.25 vCPU": "256", "0.5 vCPU": "512", "1 vCPU": "1024", "2 vCPU": "2048", "4 vCPU": "4096"}
_MEMORY_OF_CPU = {  # [G]
    "256": ("512", "1024"),
    "512": ("1024",),
    "1024": ("2048", "3072", "4096"),
    "2048": ("4096", "6144"),
    "4096": ("8192", "10240", "12288"),
}
_HEALTH = {
    "Protocol": "TCP",
    "Path": "/",
    "Interval": 5,
    "Timeout": 2,
    "HealthyThreshold": 1,
    "UnhealthyThreshold": 5,
}  # [M]
_NETWORK = {
    "EgressConfiguration": {"EgressType": "DEFAULT"},
    "IngressConfiguration": {"IsPubliclyAccessible": True},
    "IpAddressType": "IPV4",
}
_PARTS = (
    "SourceConfiguration",
    "InstanceConfiguration",
    "HealthCheckConfiguration",
    "NetworkConfiguration",
    "ObservabilityConfiguration",
)


def of_create(request: Mapping[str, Any]) -> Configuration:
    """Build the configuration of a CreateService, with every default filled in."""
    return merged(
        {
            "SourceConfiguration": {"AutoDeploymentsEnabled": not _is_public(request)},  # [M]
            "InstanceConfiguration": {"Cpu": "1024", "Memory": "2048"},
            "HealthCheckConfiguration": _HEALTH,
            "NetworkConfiguration": _NETWORK,
            "ObservabilityConfiguration": {"ObservabilityEnabled": False},
        },
        request,
    )


def merged(current: Configuration, request: Mapping[str, Any]) -> Configuration:
    """Build the configuration after an UpdateService.

    Members that the request leaves out are inherited, also within ImageConfiguration [F].
    """
    requested = {part: request[part] for part in _PARTS if request.get(part) is not None}
    result: dict[str, Any] = _overlaid(current, requested)
    instance = result["InstanceConfiguration"]
    instance["Cpu"] = _UNITS.get(instance["Cpu"], instance["Cpu"])
    instance["Memory"] = _megabytes(instance["Memory"])
    _check(result)
    return result


def _overlaid(below: Any, above: Any) -> Any:
    """Merge structures; replace lists, values and maps of variables."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return copy.deepcopy(above)
    replaced = ("RuntimeEnvironmentVariables", "RuntimeEnvironmentSecrets")
    both = {key: value if key in replaced else _overlaid(below.get(key), value) for key, value in above.items()}
    return copy.deepcopy(dict(below)) | both


def _megabytes(memory: str) -> str:
    """Convert to the units of answers: "2 GB" is 2048 [G]."""
    return str(int(float(memory.removesuffix(" GB")) * 1024)) if memory.endswith(" GB") else memory


def _is_public(request: Mapping[str, Any]) -> bool:
    return bool(request["SourceConfiguration"].get("ImageRepository", {}).get("ImageRepositoryType") == "ECR_PUBLIC")


def _check(configuration: Mapping[str, Any]) -> None:
    source, instance = configuration["SourceConfiguration"], configuration["InstanceConfiguration"]
    if "ImageRepository" not in source:
        raise AwsError("InvalidRequestException", "The simulator deploys from an ImageRepository.")
    if source["ImageRepository"]["ImageRepositoryType"] == "ECR" and "AccessRoleArn" not in source.get(
        "AuthenticationConfiguration", {}
    ):
        raise AwsError("InvalidRequestException", "Authentication configuration is invalid.")
    if instance["Memory"] not in _MEMORY_OF_CPU.get(instance["Cpu"], ()):
        raise AwsError(
            "InvalidRequestException", f"Invalid CPU/memory configuration: {instance['Cpu']} and {instance['Memory']}."
        )


# App Runner pulls the image with one role and gives the other one to the instances [G].
BUILD, TASKS = "build.apprunner.amazonaws.com", "tasks.apprunner.amazonaws.com"


def check_roles(iam: Iam, configuration: Configuration, now: datetime) -> None:
    """Raise AwsError for a role that is missing, still propagating, or trusts another service: the error is the same [F]."""
    access = configuration["SourceConfiguration"].get("AuthenticationConfiguration", {}).get("AccessRoleArn")
    instance = configuration["InstanceConfiguration"].get("InstanceRoleArn")
    if access and not iam.may_assume(access, BUILD, now):
        raise AwsError("InvalidRequestException", f"Error in assuming access role {access}")  # [F]
    if instance and not iam.may_assume(instance, TASKS, now):
        raise AwsError("InvalidRequestException", f"Error in assuming instance role {instance}")  # †
