"""The cost of an environment in a month, and the sizes of RDS, from tables with a date and a source.

Prices are those of us-east-1, on demand, without tax and free tiers; other regions differ by some tens of percent.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from slipway.records.cost import Cost, CostLine
from slipway.settings import (
    AppRunnerEnvironment,
    Environment,
    ExpressEnvironment,
    ManagedDatabase,
    ManagedNetwork,
    Nat,
    Settings,
    TargetKind,
)
from slipway.settings.ecs_express import Architecture

# Each price but that of a secret was compared on the date below with what public copies of AWS's pages and price guides of 2026 quote;
# a class of RDS that none of them names is not in the table, and its line is "not priced".
_DATED: Final = "2026-11-29"
_SOURCE: Final = "aws.amazon.com/rds/postgresql/pricing, /vpc/pricing, /fargate/pricing, /elasticloadbalancing/pricing, /secrets-manager/pricing"
_HOURS: Final = 730  # of a month, as in AWS's calculator
_FARGATE_HOURS: Final = {
    Architecture.X86_64: (0.04048, 0.004445),
    Architecture.ARM64: (0.03238, 0.00356),
}  # a vCPU, a GB
_IDLE_GB_HOUR = 0.007  # App Runner; requests add vCPU hours
_LOAD_BALANCER_HOUR = 0.0225
NAT_HOUR = 0.045
ADDRESS_HOUR = 0.005
ENDPOINT_HOUR = 0.01  # in each zone
_STORAGE_GB = 0.115  # gp3, a month
_SECRET = 0.40  # a month; no copy of its page was found to compare with
_ZONES = 2
_ENDPOINTS = 4
_SECRETS_OF_SERVICE = 4
# Of the classes that teams of this size begin with; another is listed without a price.
_DATABASE_HOUR: Final[Mapping[str, float]] = {
    "db.t4g.micro": 0.016,
    "db.t4g.small": 0.032,
    "db.t4g.medium": 0.065,
}
NOT_COVERED: Final = "traffic, requests to the load balancer beyond its first unit, logs, snapshots beyond the storage"

_BURSTABLE = ("micro", "small", "medium", "large", "xlarge", "2xlarge")
_TO_16 = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge")
_TO_24, _TO_32, _TO_48 = (*_TO_16, "24xlarge"), (*_TO_16, "24xlarge", "32xlarge"), (*_TO_16, "24xlarge", "48xlarge")
_SIZES: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("t3", "t4g"), _BURSTABLE),
    **dict.fromkeys(("m6g", "r6g", "m7g", "r7g", "x2g"), _TO_16),
    **dict.fromkeys(("m5", "r5"), _TO_24),
    **dict.fromkeys(("m6i", "r6i"), _TO_32),
    **dict.fromkeys(("m7i", "r7i", "m8g", "r8g"), _TO_48),
}
CLASSES: Final = tuple(f"db.{family}.{size}" for family, sizes in _SIZES.items() for size in sizes)
MAJORS: Final = (14, 15, 16, 17, 18)  # of RDS for PostgreSQL in standard support, that the gate knows too


def cost_of(settings: Settings, environment: str) -> Cost:
    """Return what an environment costs in a month while nothing happens in it."""
    env = settings.environment(environment)
    service = service_line(env)
    shared = [balancer_line("load balancer", is_public=_is_public(env))] if env.target is TargetKind.ECS_EXPRESS else []
    lines = [service, *shared, *_network(env.network), *_database(env.database, environment)]
    return cost(lines, env.region)


def cost(lines: Iterable[CostLine], region: str) -> Cost:
    """Return the sum of lines in a region, with the date and the source of their prices."""
    return Cost(lines=tuple(lines), region=region, dated=_DATED, source=_SOURCE, not_covered=NOT_COVERED)


def service_line(env: Environment) -> CostLine:
    """Return the price of the service with its fewest tasks or instances."""
    memory = env.memory / 1024
    if isinstance(env, ExpressEnvironment):
        least = env.scaling.least
        vcpu_hour, gb_hour = _FARGATE_HOURS[env.architecture]
        address, addressed = (ADDRESS_HOUR, " and a public address") if _is_public(env) else (0, "")
        what = f"{least} x {env.cpu / 1024:g} vCPU, {memory:g} GB{addressed} of the service"
        return line(what, least * (env.cpu / 1024 * vcpu_hour + memory * gb_hour + address))
    assert isinstance(env, AppRunnerEnvironment)
    least = env.scaling.least if env.scaling else 1
    return line(f"{least} x {memory:g} GB of the service, idle", least * memory * _IDLE_GB_HOUR)


def balancer_line(what: str, *, is_public: bool) -> CostLine:
    """Return the price of a load balancer of ECS Express Mode, which up to 25 services share."""
    addressed = f" with {_ZONES} public addresses" if is_public else ""
    hour = _LOAD_BALANCER_HOUR + (_ZONES * ADDRESS_HOUR if is_public else 0)
    return line(f"{what}{addressed}, shared by up to 25 services", hour)


def _is_public(env: Environment) -> bool:
    """Return whether tasks and load balancer have public addresses; a network of the team's own is taken for a public one."""
    return not (isinstance(env.network, ManagedNetwork) and env.network.private)


def _network(network: object) -> Iterator[CostLine]:
    if not isinstance(network, ManagedNetwork):
        return
    if network.nat is Nat.ONE:
        yield line("NAT gateway with its address", NAT_HOUR + ADDRESS_HOUR)
    elif network.private:
        yield line(f"{_ENDPOINTS} interface endpoints in {_ZONES} zones", _ENDPOINTS * _ZONES * ENDPOINT_HOUR)


def _database(managed: ManagedDatabase | None, environment: str) -> Iterator[CostLine]:
    if managed is None:
        return
    yield database_line("database", managed.class_, managed.storage, has_standby=managed.has_standby(environment))
    yield CostLine(f"{1 + _SECRETS_OF_SERVICE} secrets", round((1 + _SECRETS_OF_SERVICE) * _SECRET, 2))


def database_line(what: str, class_: str, storage: int, *, has_standby: bool) -> CostLine:
    """Return the price of a server with its storage; None for a class that the table lacks."""
    servers, hour = 2 if has_standby else 1, _DATABASE_HOUR.get(class_)
    dollars = None if hour is None else round(servers * (hour * _HOURS + storage * _STORAGE_GB), 2)
    return CostLine(f"{what}, {'2 x ' if has_standby else ''}{class_} with {storage} GB", dollars)


def line(what: str, hour: float) -> CostLine:
    """Return the price of a month by that of an hour."""
    return CostLine(what, round(hour * _HOURS, 2))
