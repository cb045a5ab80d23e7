"""Fargate tasks as a careful user runs them."""

from typing import Any

from tests.simulator.account import REGION, URI, Account

EXECUTION_ROLE = "arn:aws:iam::123456789012:role/notes-execution"
GROUP = "/slipway/notes"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}}


def container(digest: str, **parts: Any) -> dict[str, Any]:
    options = {"awslogs-group": GROUP, "awslogs-region": REGION, "awslogs-stream-prefix": "slipway"}
    log = {"logDriver": "awslogs", "options": options}
    return {"name": "migration", "image": f"{URI}@{digest}", "logConfiguration": log} | parts


def definition(digest: str, family: str = "migration", **parts: Any) -> dict[str, Any]:
    """Build a RegisterTaskDefinition request; `parts` are members of the container."""
    return {
        "family": family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": EXECUTION_ROLE,
        "containerDefinitions": [container(digest, **parts)],
    }


def run(family: str = "migration", **parts: Any) -> dict[str, Any]:
    """Build a RunTask request."""
    return {"taskDefinition": family, "launchType": "FARGATE", "networkConfiguration": NETWORK} | parts


async def begun(account: Account, digest: str, **parts: Any) -> str:
    """Register a definition, run it and return the task's ARN."""
    await account.ask("ecs", "register_task_definition", **definition(digest, **parts))
    arn: str = (await account.ask("ecs", "run_task", **run()))["tasks"][0]["taskArn"]
    return arn


async def described(account: Account, arn: str) -> dict[str, Any]:
    task: dict[str, Any] = (await account.ask("ecs", "describe_tasks", tasks=[arn]))["tasks"][0]
    return task


async def stopped(account: Account, arn: str) -> dict[str, Any]:
    """Return the task once it has stopped."""
    while (task := await described(account, arn))["lastStatus"] != "STOPPED":
        await account.cloud.clock.sleep(2)
    return task
