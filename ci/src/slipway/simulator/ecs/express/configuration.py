"""The configuration of a service revision in the API's terms: its defaults, its changes, and its task definition.

Marks: [M] API model, [G] developer guide, [F] field reports, † unverified.
"""

from collections.abc import Mapping
from typing import Any

from slipway.simulator.contract import AwsError
from slipway.simulator.ecs.task import TaskDefinition

Configuration = Mapping[str, Any]
CONTAINER = "Main"  # [M]
# The developer guide has other defaults: path /, 1024 CPU units, 2048 MiB.
_DEFAULTS: Configuration = {  # [M]
    "healthCheckPath": "/ping",
    "cpu": "256",
    "memory": "512",
    "cpuArchitecture": "X86_64",
    "scalingTarget": {},
}
_SCALING = {"minTaskCount": 1, "maxTaskCount": 20, "autoScalingMetric": "AVERAGE_CPU", "autoScalingTargetValue": 60}
_ROLES = ("executionRoleArn", "taskRoleArn")
_CHANGEABLE = (*_DEFAULTS, *_ROLES, "primaryContainer", "networkConfiguration")
# The fields that a request with a task definition must not have [M].
_OF_A_DEFINITION = ("primaryContainer", "cpu", "memory", "cpuArchitecture", *_ROLES)
STREAM_PREFIX = "ecs"  # [M]


def created(request: Mapping[str, Any], definition: TaskDefinition | None, subnets: list[str]) -> Configuration:
    """Return the configuration for a creation. `subnets` are those for a request without networkConfiguration."""
    return updated({**_DEFAULTS, "networkConfiguration": {"subnets": subnets}}, request, definition)


def updated(current: Configuration, request: Mapping[str, Any], definition: TaskDefinition | None) -> Configuration:
    """Return the configuration after a change. Fields that the request leaves out keep their values, each as a whole †."""
    if definition and (named := sorted(set(_OF_A_DEFINITION) & request.keys())):
        message = f"You can't specify {', '.join(named)} when you provide a task definition ARN."  # †
        raise AwsError("InvalidParameterException", message)
    changes = {key: request[key] for key in _CHANGEABLE if request.get(key) is not None}
    result = {**current, **changes, **(_defined(definition) if definition else {})}
    if "primaryContainer" not in result:
        raise AwsError("InvalidParameterException", "Primary container is required.")  # †
    result["primaryContainer"] = _normal(result["primaryContainer"])
    result["scalingTarget"] = _SCALING | result["scalingTarget"]
    network, before = result["networkConfiguration"], current["networkConfiguration"]
    result["networkConfiguration"] = {"securityGroups": [], "subnets": before["subnets"], **network}  # †
    if result["scalingTarget"]["minTaskCount"] > result["scalingTarget"]["maxTaskCount"]:
        message = "The minimum task count must not be greater than the maximum task count."  # †
        raise AwsError("InvalidParameterException", message)
    if not result["healthCheckPath"].startswith("/"):
        raise AwsError("InvalidParameterException", "The health check path must start with a forward slash.")  # †
    return result


def _normal(container: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container with defaults. Variables and secrets are returned sorted by name [F]."""
    by_name = {
        member: sorted(container.get(member, []), key=lambda pair: pair.get("name", ""))
        for member in ("environment", "secrets")
    }
    return {"containerPort": 80, **container, **by_name}


def _defined(definition: TaskDefinition) -> dict[str, Any]:
    """Return the fields that a given task definition determines."""
    container = definition.container
    ports = container.get("portMappings", [])
    if container["name"] != CONTAINER or len(ports) != 1:
        # The condition [M], the words †.
        message = f"The task definition must have a container named {CONTAINER} with a single port mapping."
        raise AwsError("InvalidParameterException", message)
    kept = ("image", "command", "environment", "secrets")
    members = {key: container[key] for key in kept if container.get(key)}
    asked = definition.asked
    return {
        "primaryContainer": members | {"containerPort": ports[0]["containerPort"]},
        **{key: asked[key] for key in ("cpu", "memory", *_ROLES) if key in asked},
        "cpuArchitecture": asked.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64"),
    }


def definition_of(configuration: Configuration, family: str, log_group: str, region: str) -> dict[str, Any]:
    """Return the request that registers the revision's task definition."""
    container = configuration["primaryContainer"]
    logs = container.get("awsLogsConfiguration", {})
    options = {
        "awslogs-group": logs.get("logGroup", log_group),
        "awslogs-region": region,
        "awslogs-stream-prefix": logs.get("logStreamPrefix", STREAM_PREFIX),
        "mode": "non-blocking",  # [G]
        "max-buffer-size": "25m",  # [G]
    }
    port = container["containerPort"]
    return {
        "family": family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": configuration["cpu"],
        "memory": configuration["memory"],
        "runtimePlatform": {
            "cpuArchitecture": configuration["cpuArchitecture"],
            "operatingSystemFamily": "LINUX",
        },
        **{key: configuration[key] for key in _ROLES if key in configuration},
        "containerDefinitions": [
            {
                "name": CONTAINER,
                "image": container["image"],
                "portMappings": [{"containerPort": port, "protocol": "tcp", "name": f"{CONTAINER.lower()}-{port}-tcp"}],
                **{key: container[key] for key in ("command", "environment", "secrets") if key in container},
                "logConfiguration": {"logDriver": "awslogs", "options": options},
            }
        ],
    }
