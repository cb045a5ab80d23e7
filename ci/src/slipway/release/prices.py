"""The monthly cost of an environment, and the sizes of RDS, from tables with a date and a source.

Prices are on demand, without tax and free tiers. A region that is not in the table gets the prices of us-east-1, which
differ by some tens of percent.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from slipway.records.cost import Cost, CostLine
from slipway.records.words import counted
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

_HOURS: Final = 730  # in a month, as in AWS's calculator
_ZONES = 2
_ENDPOINTS = 4
_SECRETS_OF_SERVICE = 4  # without those for parts of the database's URL
_SECRET = 0.40  # for a month, in every region
_ADDRESS_HOUR = 0.005  # in every region
_SOURCE: Final = "aws.amazon.com/rds/postgresql/pricing, /vpc/pricing, /fargate/pricing, /elasticloadbalancing/pricing, /secrets-manager/pricing"


@dataclass(frozen=True, kw_only=True)
class Prices:
    """The prices of one region in dollars for an hour; None when no source has the price.

    - dated: the date on which they were compared with public copies of AWS's pages and price list, and bills of 2026.
    - fargate: for a vCPU and for a GB.
    - idle: for a GB on App Runner, where requests add vCPUs.
    - endpoint: for each zone.
    - storage: for a GB of a database (gp3) and a month.
    - databases: for classes with which small teams begin.
    """

    region: str
    dated: str
    fargate: Mapping[Architecture, tuple[float, float]]
    idle: float | None
    balancer: float
    nat: float
    endpoint: float
    storage: float
    databases: Mapping[str, float]


_FARGATE: Final = {Architecture.X86_64: (0.04048, 0.004445), Architecture.ARM64: (0.03238, 0.00356)}
_VIRGINIA: Final = Prices(
    region="us-east-1",
    dated="2026-11-29",
    fargate=_FARGATE,
    idle=0.007,
    balancer=0.0225,
    nat=0.045,
    endpoint=0.01,
    storage=0.115,
    databases={"db.t4g.micro": 0.016, "db.t4g.small": 0.032, "db.t4g.medium": 0.065},
)
_IRELAND: Final = Prices(
    region="eu-west-1",
    dated="2026-11-30",
    fargate=_FARGATE,
    idle=0.007,
    balancer=0.0252,
    nat=0.048,
    endpoint=0.011,
    storage=0.127,
    databases={"db.t4g.micro": 0.017, "db.t4g.small": 0.035, "db.t4g.medium": 0.069},
)
_FRANKFURT: Final = Prices(
    region="eu-central-1",
    dated="2026-11-30",
    fargate={Architecture.X86_64: (0.04656, 0.00511), Architecture.ARM64: (0.03725, 0.00409)},
    idle=None,
    balancer=0.027,
    nat=0.052,
    endpoint=0.012,
    storage=0.137,
    databases={
        "db.t4g.micro": 0.019,
        "db.t4g.small": 0.037,
        "db.t4g.medium": 0.0745,
    },  # the last price is half of the price for two zones
)
_TABLE: Final = {each.region: each for each in (_VIRGINIA, _IRELAND, _FRANKFURT)}
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


def prices_of(region: str) -> Prices:
    """Return the prices of a region; those of us-east-1 when the table lacks it."""
    return _TABLE.get(region, _VIRGINIA)


def cost_of(settings: Settings, environment: str, others: Collection[Settings] = ()) -> Cost:
    """Return the monthly cost of an idle environment, including its further services `others`."""
    env = settings.environment(environment)
    prices = prices_of(env.region)
    is_express = env.target is TargetKind.ECS_EXPRESS
    shared = [balancer_line(prices, "load balancer", is_public=_is_public(env))] if is_express else []
    shared += [*_network(prices, env.network), *_database(prices, env.database, environment)]
    lines = [*_own(settings, environment), *(replace(line, shared=True) for line in shared)]
    further = {each.name: each.environment(environment) for each in others}
    beside = [CostLine(each.name, _sum(_own(each, environment))) for each in others]
    express = [each for each in further.values() if is_express and each.target is TargetKind.ECS_EXPRESS]
    other = {_is_public(each) for each in express} - {_is_public(env)}
    beside += [balancer_line(prices, "another load balancer", is_public=is_public) for is_public in other]
    return replace(cost(lines, env.region), beside=tuple(beside))


def _own(settings: Settings, environment: str) -> list[CostLine]:
    """Return the cost of a service without shared resources."""
    env = settings.environment(environment)
    number = _SECRETS_OF_SERVICE + 2 * len(settings.migrations.part_variables)
    return [service_line(env), *([_secrets("of the service", number)] if env.database else [])]


def _sum(lines: Iterable[CostLine]) -> float | None:
    dollars = [line.dollars for line in lines]
    return None if None in dollars else round(sum(each or 0 for each in dollars), 2)


def cost(lines: Iterable[CostLine], region: str) -> Cost:
    """Return the cost of these lines in a region, with the date and source of the prices."""
    prices = prices_of(region)
    return Cost(
        lines=tuple(lines),
        region=region,
        priced=prices.region,
        dated=prices.dated,
        source=_SOURCE,
        not_covered=NOT_COVERED,
    )


def service_line(env: Environment) -> CostLine:
    """Return the price of the service with its smallest number of tasks or instances."""
    prices, memory = prices_of(env.region), env.memory / 1024
    if isinstance(env, ExpressEnvironment):
        least = env.scaling.least
        vcpu, gb = prices.fargate[env.architecture]
        address, addressed = (_ADDRESS_HOUR, " and a public address") if _is_public(env) else (0, "")
        what = f"{least} x {env.cpu / 1024:g} vCPU, {memory:g} GB{addressed} of the service"
        return _line(what, least * (env.cpu / 1024 * vcpu + memory * gb + address))
    assert isinstance(env, AppRunnerEnvironment)
    least = env.scaling.least if env.scaling else 1
    return _line(f"{least} x {memory:g} GB of the service, idle", prices.idle and least * memory * prices.idle)


def balancer_line(prices: Prices, what: str, *, is_public: bool) -> CostLine:
    """Return the price of a load balancer of ECS Express Mode, which up to 25 services share."""
    addressed = f" with {_ZONES} public addresses" if is_public else ""
    hour = prices.balancer + (_ZONES * _ADDRESS_HOUR if is_public else 0)
    return _line(f"{what}{addressed}, shared by up to 25 services", hour)


def gateway_line(prices: Prices, what: str) -> CostLine:
    return _line(what, prices.nat)


def endpoint_line(prices: Prices, what: str, zones: int) -> CostLine:
    return _line(what, prices.endpoint * zones)


def address_line(what: str) -> CostLine:
    return _line(what, _ADDRESS_HOUR)


def _is_public(env: Environment) -> bool:
    """Return whether tasks and load balancer have public addresses. A team's own network counts as public."""
    return not (isinstance(env.network, ManagedNetwork) and env.network.private)


def _network(prices: Prices, network: object) -> Iterator[CostLine]:
    if not isinstance(network, ManagedNetwork):
        return
    if network.nat is Nat.ONE:
        yield _line("NAT gateway with its address", prices.nat + _ADDRESS_HOUR)
    elif network.private:
        yield endpoint_line(prices, f"{_ENDPOINTS} interface endpoints in {_ZONES} zones", _ENDPOINTS * _ZONES)


def _database(prices: Prices, managed: ManagedDatabase | None, environment: str) -> Iterator[CostLine]:
    if managed is None:
        return
    has_standby = managed.has_standby(environment)
    yield database_line(prices, "database", managed.class_, managed.storage, has_standby=has_standby)
    yield _secrets("of the server", 1)


def _secrets(whose: str, number: int) -> CostLine:
    return CostLine(f"{counted(number, 'secret')} {whose}", round(number * _SECRET, 2))


def database_line(prices: Prices, what: str, class_: str, storage: int, *, has_standby: bool) -> CostLine:
    """Return the price of a server with its storage. The price is None for a class that the table lacks."""
    servers, hour = 2 if has_standby else 1, prices.databases.get(class_)
    dollars = None if hour is None else round(servers * (hour * _HOURS + storage * prices.storage), 2)
    return CostLine(f"{what}, {'2 x ' if has_standby else ''}{class_} with {storage} GB", dollars)


def _line(what: str, hour: float | None) -> CostLine:
    """Return a line with the price of a month, computed from that of an hour."""
    return CostLine(what, None if hour is None else round(hour * _HOURS, 2))
