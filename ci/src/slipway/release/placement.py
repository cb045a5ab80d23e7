"""The network of a service's resources: the team's own, by id, or the one that the environment's stack exports."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.settings import Environment, Network

# Exports of an environment's stack, which its services' stacks import. AWS does not delete a stack while its exports
# are in use.
VPC, PRIVATE_SUBNETS, DATABASE_GROUP, DATABASE_HOST, DATABASE_PORT = (
    "Vpc",
    ("PrivateSubnetA", "PrivateSubnetB"),
    "DatabaseGroup",
    "DatabaseHost",
    "DatabasePort",
)
POSTGRES_PORT = 5432


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The network of a service, as values in a template.

    `database_group` is None when the database is not in this network.
    """

    vpc: Any
    subnets: tuple[Any, ...]
    database_group: Any | None
    port: int


def placement_of(env: Environment, environment: str) -> Placement | None:
    """Return the placement of a service; None without a network."""
    network = env.network
    if network is None:
        return None
    if isinstance(network, Network):
        group = network.database_security_group
        return Placement(vpc=network.vpc, subnets=network.subnets, database_group=group, port=network.database_port)
    return Placement(
        vpc=imported(environment, VPC),
        subnets=tuple(imported(environment, name) for name in PRIVATE_SUBNETS),
        database_group=imported(environment, DATABASE_GROUP) if env.database else None,
        port=POSTGRES_PORT,
    )


def imported(environment: str, name: str) -> dict[str, str]:
    """Return the reference to a value that the environment's stack exports."""
    return {"Fn::ImportValue": exported(environment, name)}


def exported(environment: str, name: str) -> str:
    """Return the name of an export, which is unique for an account and region."""
    return f"{stack_name(environment)}-{name}"


def stack_name(*parts: str) -> str:
    """Return the name of a stack, which consists of letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(("slipway", *parts)))[:128]


def imports_of(template: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_imports(template))


def _imports(value: Any) -> list[str]:
    match value:
        case {"Fn::ImportValue": str(name)}:
            return [name]
        case Mapping():
            return [name for item in value.values() for name in _imports(item)]
        case list() | tuple():
            return [name for item in value for name in _imports(item)]
        case _:
            return []
