"""`[tool.slipway.environments.ENVIRONMENT.network]` and `database`: an existing network by its ids, or a network and server that bootstrap makes."""

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network
from typing import Annotated

from slipway.structure import Constrained, Filled, MismatchError, Pattern, Range


def resource_id(prefix: str) -> Pattern:
    """Return the constraint of a setting that must be a resource's id, such as subnet-0a1b2c3d."""
    return Pattern(rf"{prefix}-[\w-]+", f"an id such as {prefix}-0a1b2c3d")


@dataclass(frozen=True, kw_only=True)
class Network(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT.network]`: the VPC of a database without a public address; bootstrap connects the service to it.

    - vpc: the VPC's id.
    - subnets: ids of private subnets, in two availability zones or more.
    - database-security-group: the database's security group; bootstrap lets the service in.
    - database-port: the port on which the database listens.
    - managed: true for the network that bootstrap makes, which has other keys.
    """

    vpc: Annotated[str, resource_id("vpc")]
    subnets: Annotated[
        tuple[Annotated[str, resource_id("subnet")], ...], Filled("a list of ids such as subnet-0a1b2c3d")
    ]
    database_security_group: Annotated[str, resource_id("sg")]
    database_port: Annotated[int, Range(1, 65535)] = 5432
    managed: bool = False


class Nat(Enum):
    """The NAT gateways of a network, by which its private subnets reach the internet."""

    NONE = "none"
    ONE = "one"


@dataclass(frozen=True, kw_only=True)
class ManagedNetwork(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT.network]` with managed = true: a VPC with public and private subnets in two zones, for all services of the environment.

    - managed: true.
    - cidr: the addresses of the VPC, such as "10.20.0.0/16". The addresses of two environments may not overlap, so that they can be connected later.
    - private: whether tasks run in the private subnets, behind an internal load balancer; the database always does.
    - nat: "one" NAT gateway for the private subnets; with "none" private tasks reach only AWS, by interface endpoints.
    - zones: two availability zones, such as ["eu-west-1a", "eu-west-1b"]; the first two of the region by default.
    """

    managed: bool
    cidr: str
    private: bool = False
    nat: Nat = Nat.NONE
    zones: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            addresses = self.addresses
        except ValueError as error:
            raise MismatchError("cidr", f"{error}, allowed is a range such as 10.20.0.0/16") from None
        if not addresses.is_private:
            raise MismatchError("cidr", f"found {self.cidr}, allowed is a private range such as 10.20.0.0/16")
        if not _LARGEST <= addresses.prefixlen <= _SMALLEST:
            raise MismatchError(
                "cidr", f"found /{addresses.prefixlen}, allowed is /{_LARGEST}, AWS's largest, to /{_SMALLEST}"
            )
        if self.zones and len(set(self.zones)) != _ZONES:
            raise MismatchError(
                "zones", f"found {', '.join(self.zones)}, allowed are two, because a database needs two"
            )

    @property
    def addresses(self) -> IPv4Network:
        return IPv4Network(self.cidr)

    def subnets(self, *, public: bool) -> tuple[str, str]:
        """Return the address ranges of the two public or the two private subnets.

        Each is an eighth of the VPC; half of the VPC stays free.
        """
        first = 0 if public else _ZONES
        eighths = list(self.addresses.subnets(prefixlen_diff=3))
        return str(eighths[first]), str(eighths[first + 1])


# a VPC may have /16 to /28; here /24 at most, because a load balancer needs subnets of /27, an eighth of a /24 [G]
_LARGEST, _SMALLEST = 16, 24
_ZONES = 2
_PRODUCTION = "production"


@dataclass(frozen=True, kw_only=True)
class ManagedDatabase(Constrained):
    """`[tool.slipway.environments.ENVIRONMENT.database]`: the Postgres server that bootstrap makes in a managed network, for all services of the environment.

    It has the major version of `migrations.postgres`, is encrypted, and never has a public address.

    - managed: true.
    - class: the size of the server, a class of RDS.
    - storage: in GB.
    - multi-az: whether a second server in another zone takes over; by default in the environment `production` only.
    - deletion-protection: whether AWS refuses to delete it. To delete it, set false and run `slipway bootstrap --apply` before.
    - backups: days for which daily snapshots are kept.
    """

    managed: bool
    class_: str = "db.t4g.micro"
    storage: Annotated[int, Range(20, 65536)] = 20
    multi_az: bool | None = None
    deletion_protection: bool = True
    backups: Annotated[int, Range(1, 35)] = 7

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.managed:
            raise MismatchError("managed", "found false, allowed is true; a database of your own needs no table")

    def has_standby(self, environment: str) -> bool:
        """Return whether a second server takes over when the first one fails.

        The default is true in `production` only.
        """
        return environment == _PRODUCTION if self.multi_az is None else self.multi_az
