"""The handlers of resource kinds. They create, read, update and delete a resource as its provider schema describes."""

import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.resource_kinds import ResourceKind
from slipway.simulator.cloudformation.services import SERVICES, ServiceHandler, failure
from slipway.simulator.cloudformation.values import mismatches
from slipway.simulator.contract import AwsError, Call, Operations
from slipway.simulator.databases import Databases
from slipway.simulator.resources import Model, Resources

# The prefixes of ids, by their property or by the kind whose id is `Id`.
_PREFIXES = {
    "AllocationId": "eipalloc",
    "AWS::EC2::SecurityGroup": "sg",
    "AWS::EC2::SecurityGroupIngress": "sgr",
    "AWS::EC2::SubnetRouteTableAssociation": "rtbassoc",
    "AWS::EC2::VPCEndpoint": "vpce",
    "DefaultNetworkAcl": "acl",
    "DefaultSecurityGroup": "sg",
    "EniId": "eni",
    "InternetGatewayId": "igw",
    "NatGatewayId": "nat",
    "NetworkAclAssociationId": "aclassoc",
    "RouteTableId": "rtb",
    "SubnetId": "subnet",
    "VpcId": "vpc",
}
# ARNs with another form than `SERVICE:PLACE:KIND/NAME`.
_ARNS = {
    "AWS::IAM::OIDCProvider": "iam::{account}:oidc-provider/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::Logs::LogGroup": "logs:{place}:log-group:{name}:*",
    "AWS::RDS::DBInstance": "rds:{place}:db:{name}",
    "AWS::RDS::DBSubnetGroup": "rds:{place}:subgrp:{name}",
    "AWS::SecretsManager::Secret": "secretsmanager:{place}:secret:{name}-{id:.6}",
}
_VALUES = {
    ("AWS::EC2::EIP", "PublicIp"): "198.51.100.{byte}",
    ("AWS::EC2::Route", "CidrBlock"): "{properties[DestinationCidrBlock]}",
    ("AWS::EC2::VPCGatewayAttachment", "AttachmentType"): "IGW",
    ("AWS::ECR::Repository", "RepositoryUri"): "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
}
_REFERENCES = {"AWS::EC2::EIP": "PublicIp", "AWS::IAM::Policy": "PolicyName"}  # kinds whose `Ref` is not the identifier


def generated(kind: ResourceKind, name: str, properties: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Return the attributes that AWS sets, and a name if the properties have none."""
    known = kind.values["properties"]
    names = (*kind.identifier, *_names(kind))
    given = next((properties[key] for key in names if isinstance(properties.get(key), str)), name)
    unique = uuid.uuid4().hex
    parts = {
        "account": call.account,
        "byte": secrets.randbelow(254) + 1,
        "id": unique[:16],
        "name": given.removeprefix("https://"),
        "place": f"{call.region}:{call.account}",
        "properties": properties,
        "region": call.region,
    }
    own = {path for path in kind.read_only if known.get(path, {}).get("type") == "string"} | {*kind.identifier}
    return {key: _pattern(kind, key).format(**parts) for key in sorted(own - {*properties})}


def identifier_of(kind: ResourceKind, model: Mapping[str, Any]) -> str:
    return "|".join(str(model.get(name, "")) for name in kind.identifier)


def is_named(kind: ResourceKind, properties: Mapping[str, Any]) -> bool:
    """Return whether the properties name the resource, so that an existing one can be adopted."""
    named = all(isinstance(properties.get(name), str) for name in kind.identifier)
    return named or kind.name == "AWS::IAM::OIDCProvider"


def reference_of(kind: ResourceKind, model: Mapping[str, Any]) -> str:
    """Return the value of `Ref`, which is the physical id."""
    return str(model[_REFERENCES[kind.name]]) if kind.name in _REFERENCES else identifier_of(kind, model)


def arn_of(model: Mapping[str, Any]) -> str:
    """Return a resource's ARN; "*" for a kind without one."""
    return next((value for value in model.values() if isinstance(value, str) and value.startswith("arn:")), "*")


def _names(kind: ResourceKind) -> tuple[str, ...]:
    noun = kind.name.rpartition(":")[2]
    return (f"{noun}Name", "Name", "Url")


def _pattern(kind: ResourceKind, key: str) -> str:
    """Return the form of an attribute's value."""
    if pattern := _VALUES.get((kind.name, key)):
        return pattern
    if prefix := _PREFIXES.get(key) or _PREFIXES.get(kind.name):
        return f"{prefix}-0{{id}}"
    if key.endswith("Arn") or (key == "Id" and kind.name in _ARNS):
        _, service, noun = kind.name.lower().split("::")
        return "arn:aws:" + _ARNS.get(kind.name, f"{service}:{{place}}:{noun}/{{name}}")
    return "{name}" if key not in kind.read_only else "{name}-{id:.8}"


# Kinds that cannot be deleted while another resource refers to them.
_HELD = ("AWS::EC2::InternetGateway", "AWS::EC2::SecurityGroup", "AWS::EC2::Subnet", "AWS::EC2::VPC")


@dataclass(kw_only=True)
class Handlers:
    """The handlers of one region. Tests script `failing` and `stuck`, by logical id."""

    services: Mapping[str, Operations]
    resources: Resources
    databases: Databases
    failing: dict[str, str] = field(default_factory=dict)  # why the next creation or update will fail
    # why deletions and rollbacks fail until the test removes the reason
    stuck: dict[str, str] = field(default_factory=dict)

    async def create(self, kind: ResourceKind, name: str, properties: Mapping[str, Any], call: Call) -> str:
        """Create a resource and return its identifier.

        `name` is for a resource without a name in its properties. Raise AwsError when it exists.
        """
        _check(kind, properties)
        model = generated(kind, name, properties, call) | dict(properties)
        identifier = identifier_of(kind, model)
        if await self.read(kind, identifier, call) is not None:
            raise failure("AlreadyExists", f"{identifier} already exists")
        model |= await self._service(kind).create(model, call)
        identifier = identifier_of(kind, model)
        self.resources.put(kind.name, identifier, model)
        return identifier

    async def read(self, kind: ResourceKind, identifier: str, call: Call) -> Model | None:
        """Return a resource as it is now; None when it does not exist."""
        return await self._service(kind).read(identifier, self.resources.find(kind.name, identifier), call)

    def identifier(self, kind: ResourceKind, properties: Mapping[str, Any], call: Call) -> str:
        """Return the identifier for properties that contain a name."""
        return identifier_of(kind, generated(kind, "", properties, call) | dict(properties))

    async def adopt(self, kind: ResourceKind, properties: Mapping[str, Any], call: Call) -> str:
        """Return the identifier of an existing resource, which is not changed."""
        model = generated(kind, "", properties, call) | dict(properties)
        identifier = identifier_of(kind, model)
        own = {key: value for key, value in model.items() if key in (*kind.read_only, *kind.identifier)}
        self.resources.put(kind.name, identifier, own | (await self.read(kind, identifier, call) or {}))
        return identifier

    async def update(self, kind: ResourceKind, identifier: str, properties: Mapping[str, Any], call: Call) -> None:
        _check(kind, properties)
        before = await self.read(kind, identifier, call)
        if before is None:
            raise failure("NotFound", f"{identifier} was not found")
        own = {path.partition("/")[0] for path in (*kind.read_only, *kind.identifier)}
        after = {key: value for key, value in before.items() if key in own} | dict(properties)
        await self._service(kind).update(before, after, call)
        self.resources.put(kind.name, identifier, after)

    async def delete(self, kind: ResourceKind, identifier: str, call: Call, *, snapshot: bool = False) -> None:
        """Delete a resource. Deleting a missing one succeeds."""
        model = await self.read(kind, identifier, call)
        if model is None:
            return
        users = self.resources.users(kind.name, identifier) if kind.name in _HELD else []
        if users:
            noun = kind.name.rpartition(":")[2]
            raise failure(
                "InvalidRequest", f"The {noun} '{identifier}' has dependencies and cannot be deleted: {users[0]}"
            )
        await self._service(kind).delete(model, call, snapshot=snapshot)
        self.resources.remove(kind.name, identifier)

    async def secret(self, reference: str, call: Call) -> str:
        """Return the value of a dynamic reference, `secretsmanager:NAME:SecretString:KEY`.

        Raise AwsError when there is none.
        """
        name, _, key = reference.removeprefix("secretsmanager:").partition(":SecretString:")
        try:
            answer = await self.services["secretsmanager"]["GetSecretValue"]({"SecretId": name}, call)
            return str(json.loads(answer["SecretString"])[key])
        except (AwsError, ValueError, KeyError) as error:
            raise failure("NotFound", f"Could not resolve the dynamic reference {reference}") from error

    def _service(self, kind: ResourceKind) -> ServiceHandler:
        return SERVICES.get(kind.name, ServiceHandler)(self.services, self.resources, self.databases)


def _check(kind: ResourceKind, properties: Mapping[str, Any]) -> None:
    if problems := mismatches(kind, properties):
        message = "; ".join(f"#{each}" for each in problems)
        raise failure("InvalidRequest", f"Properties validation failed for resource with message: {message}")
