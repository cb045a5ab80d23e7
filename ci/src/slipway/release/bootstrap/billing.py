"""The resources of an environment that are billed by the hour or outlive its stacks, as the account reports them.

They are found by slipway's tags and names instead of through the stacks, so they are also found after the stacks are
deleted.
"""

import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from slipway.errors import SlipwayError
from slipway.records.cost import CostLine
from slipway.records.words import counted
from slipway.release.aws.client import Aws
from slipway.release.aws.references import parts_of_secret
from slipway.release.bootstrap.server import databases_named, server_name
from slipway.release.bootstrap.template import StackTemplate
from slipway.release.errors import or_absent
from slipway.release.prices import (
    Prices,
    address_line,
    balancer_line,
    database_line,
    endpoint_line,
    gateway_line,
    prices_of,
)
from slipway.settings import ExpressEnvironment, Settings

NOT_COVERED: Final = (
    "load balancers in a network that slipway did not make (ECS deletes its own with the last service), traffic, "
    "and what was made by hand"
)
_GONE = ("deleted", "deleting", "failed")  # states in which AWS still lists a resource without billing it
_SECRET, _LOG_GROUP = "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"
Line = TypeVar("Line")


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The resources of one environment that the account reports. `stacks` are those that its settings describe."""

    aws: Aws
    settings: Settings
    environment: str
    stacks: tuple[StackTemplate, ...]

    @property
    def _prices(self) -> Prices:
        return prices_of(self.settings.environment(self.environment).region)

    async def billed(self) -> tuple[list[CostLine], list[str]]:
        """Return the resources besides the service that are billed by the hour, with their monthly prices, and those that could not be read."""
        networks, unread = await _read([self._networks])
        gateways, endpoints, balancers = (
            partial(read, networks) for read in (self._gateways, self._endpoints, self._balancers)
        )
        reads: list[Callable[[], AsyncIterator[CostLine]]]
        reads = [gateways, endpoints, self._addresses, balancers, self._databases]
        lines, others = await _read(reads)
        return lines, [*unread, *others]

    async def kept(self) -> tuple[list[str], list[str]]:
        """Return the resources that outlive the stacks, and those that could not be read."""
        return await _read([self._snapshots, self._log_groups, self._secrets, self._repositories])

    async def _gateways(self, networks: Collection[str]) -> AsyncIterator[CostLine]:
        async for each in self.aws.items("ec2", "describe_nat_gateways", "NatGateways"):
            if each.get("State") not in _GONE and (each.get("VpcId") in networks or self._is_ours(each)):
                yield gateway_line(self._prices, f"NAT gateway {each['NatGatewayId']}")

    async def _endpoints(self, networks: Collection[str]) -> AsyncIterator[CostLine]:
        async for each in self.aws.items("ec2", "describe_vpc_endpoints", "VpcEndpoints"):
            is_billed = each.get("VpcEndpointType") == "Interface" and str(each.get("State")).lower() not in _GONE
            if is_billed and each.get("VpcId") in networks:
                what = f"interface endpoint {each['VpcEndpointId']} of {each.get('ServiceName')}"
                # there is one subnet in each zone
                yield endpoint_line(self._prices, what, len(each.get("SubnetIds", ())))

    async def _addresses(self) -> AsyncIterator[CostLine]:
        async for each in self.aws.items("ec2", "describe_addresses", "Addresses"):
            if self._is_ours(each):
                yield address_line(f"address {each.get('PublicIp')} ({each.get('AllocationId')})")

    async def _balancers(self, networks: Collection[str]) -> AsyncIterator[CostLine]:
        async for each in self.aws.items("elbv2", "describe_load_balancers", "LoadBalancers"):
            if each.get("VpcId") in networks:
                is_public = each.get("Scheme") == "internet-facing"
                yield balancer_line(self._prices, f"load balancer {each['LoadBalancerName']}", is_public=is_public)

    async def _databases(self) -> AsyncIterator[CostLine]:
        name = server_name(self.environment)
        for each in await databases_named(self.aws, name):
            what = f"database {each['DBInstanceIdentifier']} ({each.get('DBInstanceStatus')})"
            size, has_standby = each["DBInstanceClass"], bool(each.get("MultiAZ"))
            yield database_line(self._prices, what, size, int(each["AllocatedStorage"]), has_standby=has_standby)

    async def _networks(self) -> AsyncIterator[str]:
        async for each in self.aws.items("ec2", "describe_vpcs", "Vpcs"):
            if self._is_ours(each):
                yield each["VpcId"]

    async def _snapshots(self) -> AsyncIterator[str]:
        name = server_name(self.environment)
        async for each in self.aws.items("rds", "describe_db_snapshots", "DBSnapshots", DBInstanceIdentifier=name):
            if each.get("SnapshotType") != "automated":  # AWS deletes automated snapshots with the database
                yield f"snapshot {each['DBSnapshotIdentifier']} of the database {name}"

    async def _log_groups(self) -> AsyncIterator[str]:
        service, env = self.settings.service_name(self.environment), self.settings.environment(self.environment)
        endings = dict.fromkeys(self._made(_LOG_GROUP, "LogGroupName", is_retained=True), "") | {
            f"/aws/apprunner/{service}/": ".+"
        }
        if isinstance(env, ExpressEnvironment):
            endings |= {f"/aws/ecs/{env.cluster}/{service}-": "[0-9a-f]{4}"}
        for prefix, ending in endings.items():
            async for each in self.aws.items("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
                if re.fullmatch(ending, each["logGroupName"].removeprefix(prefix)):
                    yield f"log group {each['logGroupName']}"

    async def _secrets(self) -> AsyncIterator[str]:
        """Yield secrets that no stack made, and deleted secrets of the stacks that can still be restored."""
        made = self._made(_SECRET, "Name")
        named = [parts_of_secret(each)[0] for each in self.settings.environment(self.environment).secrets.values()]
        own = [each for each in named if ":secretsmanager:" in each]
        for each in dict.fromkeys([*made, *own]):
            found = await or_absent(
                self.aws.call("secretsmanager", "describe_secret", SecretId=each), "ResourceNotFoundException"
            )
            if found and (deleted := found.get("DeletedDate")):
                yield f"secret {found['Name']}, which AWS deletes on {deleted:%Y-%m-%d}"
            elif found and found["Name"] not in made:
                yield f"secret {found['Name']}"

    async def _repositories(self) -> AsyncIterator[str]:
        name = self.settings.name
        for each in (name, f"{name}-try", self.settings.ledger(self.environment)):
            call = self.aws.call("ecr", "describe_repositories", repositoryNames=[each])
            if await or_absent(call, "RepositoryNotFoundException") is not None:
                images = self.aws.items("ecr", "describe_images", "imageDetails", repositoryName=each)
                yield f"repository {each} with {counted(len([image async for image in images]), 'image')}"

    def _made(self, kind: str, name: str, *, is_retained: bool = False) -> list[str]:
        """Return the names of one kind of resource in the templates; with `is_retained`, only of those that outlive their stack."""
        every = [each for stack in self.stacks for each in stack.template["Resources"].values()]
        found = [each for each in every if not is_retained or each.get("DeletionPolicy") == "Retain"]
        return [each["Properties"][name] for each in found if each["Type"] == kind]

    def _is_ours(self, description: Mapping[str, Any]) -> bool:
        """Return whether a resource has the environment's tag, which CloudFormation copies from the stack."""
        tags = {each["Key"]: each["Value"] for each in description.get("Tags") or ()}
        return tags.get("slipway:environment") == self.environment


async def _read(reads: Iterable[Callable[[], AsyncIterator[Line]]]) -> tuple[list[Line], list[str]]:
    """Return all lines, and an error for each read that AWS refused."""
    lines: list[Line] = []
    unread: list[str] = []
    for read in reads:
        try:
            lines += [each async for each in read()]
        except SlipwayError as error:
            unread.append(str(error))
    return lines, unread
