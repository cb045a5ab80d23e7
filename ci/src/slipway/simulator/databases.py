"""Amazon RDS: database instances that stacks create, their snapshots, and the server of an instance if the caller provides one.

Marks: [M] API model, [G] user guide, [F] field reports, † unverified.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.database_url import stored_password
from slipway.simulator.clock import Clock
from slipway.simulator.contract import AwsError, Call, Operations, paged
from slipway.simulator.resources import Model, Resources

INSTANCE = "AWS::RDS::DBInstance"
_GROUP = "AWS::RDS::DBSubnetGroup"
_PORT = 5432
_OWNED_SCHEMA = 15  # the first major in which a database's owner owns its schema public
_PROTECTED = "Cannot delete protected DB Instance, please disable deletion protection and try again."  # [F]


@dataclass(frozen=True, kw_only=True)
class DatabaseLaunch:
    """The facts about an instance that a real server needs."""

    identifier: str
    user: str
    password: str
    name: str  # the name of its first database
    version: str  # the engine's version in the template

    def first_statements(self, major: int) -> tuple[str, ...]:
        """Return the SQL by which a superuser creates the main user, who is no superuser, in template1 of a new server."""
        password = stored_password(self.password, 1)
        statements = [f"CREATE ROLE \"{self.user}\" LOGIN CREATEDB CREATEROLE PASSWORD '{password}';"]
        if self.name:
            statements.append(f'CREATE DATABASE "{self.name}" OWNER "{self.user}";')
        if major < _OWNED_SCHEMA:
            statements.append(f'ALTER SCHEMA public OWNER TO "{self.user}";')
        return tuple(statements)


_UNSAVED = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."  # [F]
_MAJOR = "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."  # [F]

Attach = Callable[[DatabaseLaunch], Awaitable[tuple[str, int]]]  # returns the host and the port of the server


class Databases:
    """The instances of a region. Their state is in the region's resources."""

    def __init__(self, resources: Resources, clock: Clock) -> None:
        self.attach: Attach | None = None  # starts the server for an instance
        self._resources = resources
        self._clock = clock
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.operations: Operations = {
            "CreateDBSnapshot": self._create_snapshot,
            "DeleteDBSnapshot": self._delete_snapshot,
            "DeleteDBInstance": self._delete_instance,
            "DescribeDBInstances": self._describe_instances,
            "DescribeDBSnapshots": self._describe_snapshots,
            "DescribeDBSubnetGroups": self._describe_subnet_groups,
            "ModifyDBInstance": self._modify_instance,
        }

    async def launch(self, model: Model, call: Call) -> Model:
        """Start an instance. Return its endpoint and its state."""
        identifier = model["DBInstanceIdentifier"] = str(model["DBInstanceIdentifier"]).lower()
        host, port = (
            f"{identifier}.c{secrets.token_hex(6)}.{call.region}.rds.amazonaws.com",
            int(model.get("Port", _PORT)),
        )
        if self.attach:
            launch = DatabaseLaunch(
                identifier=identifier,
                user=str(model.get("MasterUsername", "")),
                password=str(model.get("MasterUserPassword", "")),
                name=str(model.get("DBName", "")),
                version=str(model.get("EngineVersion", "")),
            )
            with self._clock.held():
                host, port = await self.attach(launch)
        return {
            "Endpoint": {"Address": host, "Port": str(port)},
            "DBInstanceStatus": "available",
            "InstanceCreateTime": call.now.isoformat(),
        }

    def remove(self, model: Model, call: Call, *, snapshot: bool) -> None:
        """Check that an instance can be deleted, and keep its final snapshot. Raise AwsError for a protected one."""
        if _is_on(model, "DeletionProtection"):
            raise AwsError("InvalidParameterCombination", _PROTECTED)
        if snapshot:
            identifier = model["DBInstanceIdentifier"]
            self._snap(f"{identifier}-snapshot-{secrets.token_hex(6)}", model, call)

    async def _describe_instances(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        wanted = request.get("DBInstanceIdentifier")
        models = [self._existing(wanted)] if wanted else self._resources.of(INSTANCE)
        return _page("DBInstances", [self._described(model, call) for model in models], request)

    async def _modify_instance(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Change an instance. Changes apply at once, even without ApplyImmediately †."""
        model = self._existing(request["DBInstanceIdentifier"])
        check_change(model, {**model, **request})
        model |= {_PROPERTIES.get(key, key): value for key, value in request.items() if key != "ApplyImmediately"}
        return {"DBInstance": self._described(model, call)}

    async def _delete_instance(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Delete an instance, which disappears at once †."""
        model = self._existing(request["DBInstanceIdentifier"])
        if not request.get("SkipFinalSnapshot") and "FinalDBSnapshotIdentifier" not in request:
            raise AwsError("InvalidParameterCombination", _UNSAVED)
        self.remove(model, call, snapshot=False)
        if name := request.get("FinalDBSnapshotIdentifier"):
            self._snap(name, model, call)
        self._resources.remove(INSTANCE, model["DBInstanceIdentifier"])
        return {"DBInstance": self._described(model, call) | {"DBInstanceStatus": "deleting"}}

    async def _create_snapshot(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["DBSnapshotIdentifier"]
        if name in self.snapshots:
            raise AwsError(
                "DBSnapshotAlreadyExists", f"Cannot create the snapshot because one with the identifier {name} exists."
            )
        return {"DBSnapshot": self._snap(name, self._existing(request["DBInstanceIdentifier"]), call)}

    async def _delete_snapshot(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        name = request["DBSnapshotIdentifier"]
        if name not in self.snapshots:
            raise AwsError("DBSnapshotNotFound", f"DBSnapshot not found: {name}", 404)
        return {"DBSnapshot": self.snapshots.pop(name)}

    async def _describe_snapshots(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        asked = {key: request[key] for key in ("DBInstanceIdentifier", "DBSnapshotIdentifier") if key in request}
        found = [each for each in self.snapshots.values() if asked.items() <= each.items()]
        if "DBSnapshotIdentifier" in asked and not found:
            raise AwsError("DBSnapshotNotFound", f"DBSnapshot not found: {asked['DBSnapshotIdentifier']}", 404)
        return _page("DBSnapshots", found, request)

    async def _describe_subnet_groups(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        groups = [self._group(each["DBSubnetGroupName"], call) for each in self._resources.of(_GROUP)]
        wanted = request.get("DBSubnetGroupName")
        found = [group for group in groups if wanted in (None, group["DBSubnetGroupName"])]
        if wanted and not found:
            raise AwsError("DBSubnetGroupNotFoundFault", f"DB subnet group '{wanted}' does not exist.", 404)
        return _page("DBSubnetGroups", found, request)

    def _existing(self, identifier: str) -> Model:
        model = self._resources.find(INSTANCE, identifier.lower())
        if model is None:
            raise AwsError("DBInstanceNotFound", f"DBInstance {identifier} not found.", 404)
        return model

    def _snap(self, name: str, model: Model, call: Call) -> dict[str, Any]:
        self.snapshots[name] = {
            "DBSnapshotIdentifier": name,
            "DBSnapshotArn": f"arn:aws:rds:{call.region}:{call.account}:snapshot:{name}",
            "DBInstanceIdentifier": model["DBInstanceIdentifier"],
            "SnapshotCreateTime": call.now,
            "Status": "available",
            "SnapshotType": "manual",
            "Engine": model.get("Engine"),
            "AllocatedStorage": int(model.get("AllocatedStorage", 20)),
            "Encrypted": _is_on(model, "StorageEncrypted"),
        }
        return self.snapshots[name]

    def _described(self, model: Model, call: Call) -> dict[str, Any]:
        """Return the API's DBInstance."""
        endpoint = model.get("Endpoint", {})
        groups = model.get("VPCSecurityGroups", [])
        subnets = model.get("DBSubnetGroupName")
        return {
            "DBInstanceIdentifier": model["DBInstanceIdentifier"],
            "DBInstanceArn": model.get("DBInstanceArn"),
            "DBInstanceClass": model.get("DBInstanceClass"),
            "DBInstanceStatus": model.get("DBInstanceStatus"),
            "DBName": model.get("DBName"),
            "Engine": model.get("Engine"),
            "EngineVersion": model.get("EngineVersion"),
            "MasterUsername": model.get("MasterUsername"),
            "Endpoint": {"Address": endpoint.get("Address"), "Port": int(endpoint.get("Port", _PORT))},
            "AllocatedStorage": int(model.get("AllocatedStorage", 20)),
            "BackupRetentionPeriod": int(model.get("BackupRetentionPeriod", 1)),
            "VpcSecurityGroups": [{"VpcSecurityGroupId": group, "Status": "active"} for group in groups],
            "DBSubnetGroup": self._group(subnets, call) if subnets else None,
            **{
                key: _is_on(model, key)
                for key in ("MultiAZ", "PubliclyAccessible", "StorageEncrypted", "DeletionProtection")
            },
            "IAMDatabaseAuthenticationEnabled": _is_on(model, "EnableIAMDatabaseAuthentication"),
            "TagList": model.get("Tags", []),
        }

    def _group(self, name: str, call: Call) -> dict[str, Any]:
        model = self._resources.find(_GROUP, name) or {}
        subnets = [(each, self._resources.find("AWS::EC2::Subnet", each) or {}) for each in model.get("SubnetIds", [])]
        return {
            "DBSubnetGroupName": name,
            "DBSubnetGroupDescription": model.get("DBSubnetGroupDescription"),
            "VpcId": next((subnet["VpcId"] for _, subnet in subnets if "VpcId" in subnet), None),
            "SubnetGroupStatus": "Complete",
            "DBSubnetGroupArn": f"arn:aws:rds:{call.region}:{call.account}:subgrp:{name}",
            "Subnets": [
                {
                    "SubnetIdentifier": each,
                    "SubnetAvailabilityZone": {"Name": subnet.get("AvailabilityZone")},
                    "SubnetStatus": "Active",
                }
                for each, subnet in subnets
            ],
        }


def check_change(before: Model, after: Model) -> None:
    """Raise AwsError for changes that RDS refuses: a lower major, a higher one without the flag, and less storage [F]."""
    versions = [str(each.get("EngineVersion", "")) for each in (before, after)]
    old, new = (int(each.partition(".")[0] or 0) for each in versions)
    if new < old:
        raise AwsError("InvalidParameterCombination", f"Cannot upgrade postgres from {versions[0]} to {versions[1]}")
    if new > old and not _is_on(after, "AllowMajorVersionUpgrade"):
        raise AwsError("InvalidParameterCombination", _MAJOR)
    sizes = [int(each.get("AllocatedStorage", 20)) for each in (before, after)]
    if sizes[1] < sizes[0]:
        raise AwsError(
            "InvalidParameterCombination",
            f"Invalid storage size for engine name postgres and storage type gp3: {sizes[1]}",
        )


_PROPERTIES = {"VpcSecurityGroupIds": "VPCSecurityGroups"}  # names that differ between the API and templates


def _is_on(model: Mapping[str, Any], key: str) -> bool:
    return str(model.get(key, False)).lower() == "true"


def _page(member: str, items: list[Any], request: Mapping[str, Any]) -> dict[str, Any]:
    return paged(member, items, request, most=100, names=("Marker", "MaxRecords"))
