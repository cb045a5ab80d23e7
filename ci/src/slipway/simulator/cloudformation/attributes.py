"""The attributes that AWS sets on a resource: identifiers, ARNs and other read-only attributes [G]."""

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from slipway.resource_kinds import ResourceKind
from slipway.simulator.contract import Call

# The prefixes of ids, by their property or by the kind whose `Id` it is.
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
# The ARNs that are not `SERVICE:PLACE:KIND/NAME`.
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
_REFERENCES = {"AWS::EC2::EIP": "PublicIp", "AWS::IAM::Policy": "PolicyName"}  # where `Ref` is not the identifier


def generated(kind: ResourceKind, name: str, properties: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Make the attributes that AWS sets, and the name that the properties lack."""
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
    """Return whether properties name the resource, so that an existing one can be adopted."""
    named = all(isinstance(properties.get(name), str) for name in kind.identifier)
    return named or kind.name == "AWS::IAM::OIDCProvider"


def reference_of(kind: ResourceKind, model: Mapping[str, Any]) -> str:
    """Return the value of `Ref`, the physical id."""
    return str(model[_REFERENCES[kind.name]]) if kind.name in _REFERENCES else identifier_of(kind, model)


def arn_of(model: Mapping[str, Any]) -> str:
    """Return a resource's ARN; "*" for a kind without one among its attributes."""
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
