"""Express Mode's services as a careful user deploys them, and their traffic."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx

from slipway.simulator.ecs.express.service import Deployment
from slipway.workload.workload import NO_CERTIFICATES
from tests.simulator.account import URI, Account

INFRASTRUCTURE_ROLE = "arn:aws:iam::123456789012:role/notes-infrastructure"
EXECUTION_ROLE = "arn:aws:iam::123456789012:role/notes-execution"
NETWORK = {"subnets": ["subnet-0a", "subnet-0b"], "securityGroups": ["sg-1"]}


def wanted(digest: str, **parts: Any) -> dict[str, Any]:
    """Build the request of an update without its service; `parts` replace members."""
    return {
        "executionRoleArn": EXECUTION_ROLE,
        "healthCheckPath": "/healthz",
        "primaryContainer": {
            "image": f"{URI}@{digest}",
            "containerPort": 8000,
            "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
        },
        "networkConfiguration": NETWORK,
        "cpu": "256",
        "memory": "512",
        "cpuArchitecture": "X86_64",
        "scalingTarget": {"minTaskCount": 1, "maxTaskCount": 2},
    } | parts


def created(name: str, digest: str, **parts: Any) -> dict[str, Any]:
    """Build the request of a creation."""
    return {"infrastructureRoleArn": INFRASTRUCTURE_ROLE, "serviceName": name, **wanted(digest, **parts)}


def trust(account: Account) -> None:
    """Make the roles."""
    for role in (INFRASTRUCTURE_ROLE, EXECUTION_ROLE):
        account.cloud.iam.put(role)


class Notes:
    """One service of an account; a deployment is named by its ARN."""

    def __init__(self, account: Account, name: str = "notes") -> None:
        self.account = account
        self.name = name
        self.arn = f"arn:aws:ecs:eu-west-1:123456789012:service/default/{name}"

    async def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return await self.account.ask("ecs", operation, **parameters)

    async def create(self, digest: str, **parts: Any) -> str:
        """Begin a creation."""
        answer = await self.ask("create_express_gateway_service", **created(self.name, digest, **parts))
        assert answer["service"]["serviceArn"] == self.arn
        return await self.newest()

    async def update(self, digest: str, **parts: Any) -> str:
        """Begin an update."""
        await self.ask("update_express_gateway_service", serviceArn=self.arn, **wanted(digest, **parts))
        return await self.newest()

    async def created(self, digest: str, **parts: Any) -> "Notes":
        """Create and wait for the end."""
        ended = await self.ended(await self.create(digest, **parts))
        assert ended["status"] == "SUCCESSFUL", ended
        return self

    async def newest(self) -> str:
        listed = await self.ask("list_service_deployments", service=self.arn)
        arn: str = listed["serviceDeployments"][0]["serviceDeploymentArn"]
        return arn

    async def deployment(self, arn: str) -> dict[str, Any]:
        found = await self.ask("describe_service_deployments", serviceDeploymentArns=[arn])
        deployment: dict[str, Any] = found["serviceDeployments"][0]
        return deployment

    async def ended(self, arn: str) -> dict[str, Any]:
        """Return a deployment once it has ended."""
        while not self.has_ended(arn):
            await self.account.cloud.clock.sleep(30)
        return await self.deployment(arn)

    async def until(self, arn: str, stage: str, share: int) -> dict[str, Any]:
        """Return a deployment once it is in a stage, with a share of the traffic."""
        inside, gateway = self._inside(arn), self.account.cloud.ecs.express.services[self.arn].gateway
        while (inside.stage, gateway.weight(inside.target.group)) != (stage, share):
            assert not inside.ended, inside
            await self.account.cloud.clock.sleep(10)
        return await self.deployment(arn)

    def has_ended(self, arn: str) -> bool:
        return self._inside(arn).ended

    def _inside(self, arn: str) -> Deployment:
        """Return a deployment as the account has it: a poll of the API would take most of a test's time."""
        deployments = self.account.cloud.ecs.express.services[self.arn].deployments
        return next(deployment for deployment in deployments if deployment.arn == arn)

    async def described(self) -> dict[str, Any]:
        described = await self.ask("describe_express_gateway_service", serviceArn=self.arn)
        service: dict[str, Any] = described["service"]
        return service

    async def revision(self) -> dict[str, Any]:
        """Return the newest deployment's revision."""
        arn = (await self.deployment(await self.newest()))["targetServiceRevision"]["arn"]
        found = await self.ask("describe_service_revisions", serviceRevisionArns=[arn])
        revision: dict[str, Any] = found["serviceRevisions"][0]
        return revision

    async def groups(self) -> list[str]:
        """Return the ARNs of the target groups."""
        (path,) = (await self.revision())["ecsManagedResources"]["ingressPaths"]
        return [group["arn"] for group in path["targetGroups"]]

    async def answers(self, requests: int, path: str = "/") -> Mapping[str, int]:
        """Ask the public address; count answers by digest, or by status where it is not 200."""
        (ingress,) = (await self.described())["activeConfigurations"][0]["ingressPaths"]
        counted: Counter[str] = Counter()
        async with httpx.AsyncClient(base_url=f"http://{ingress['endpoint']}", verify=NO_CERTIFICATES) as client:
            with self.account.cloud.clock.held():
                for _ in range(requests):
                    answer = await client.get(path)
                    counted[answer.text.partition("\n")[0] if answer.is_success else str(answer.status_code)] += 1
        return counted
