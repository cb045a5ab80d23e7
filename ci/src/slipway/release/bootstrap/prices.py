"""The cost of an environment in a month, and the sizes of RDS, from tables with a date and a source.

Prices are those of us-east-1, on demand, without tax and free tiers; other regions differ by some tens of percent.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from slipway.records.bootstrap import Cost, CostLine
from slipway.settings import (
    AppRunnerEnvironment,
    Environment,
    ExpressEnvironment,
    MadeDatabase,
    MadeNetwork,
    Nat,
    Settings,
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
_NAT_HOUR = 0.045
_ADDRESS_HOUR = 0.005
_ENDPOINT_HOUR = 0.01  # in each zone
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
    lines = [*_service(env), *_network(env.network), *_database(env.database, environment)]
    return Cost(lines=tuple(lines), dated=_DATED, source=_SOURCE, not_covered=NOT_COVERED)


def _service(env: Environment) -> Iterator[CostLine]:
    memory = env.memory / 1024
    if isinstance(env, AppRunnerEnvironment):
        instances = env.scaling.least if env.scaling else 1
        yield _line(f"{instances} x {memory:g} GB of the service, idle", instances * memory * _IDLE_GB_HOUR)
    if isinstance(env, ExpressEnvironment):
        tasks, (vcpu_hour, gb_hour) = env.scaling.least, _FARGATE_HOURS[env.architecture]
        hour = tasks * (env.cpu / 1024 * vcpu_hour + memory * gb_hour)
        yield _line(f"{tasks} x {env.cpu / 1024:g} vCPU, {memory:g} GB of the service", hour)
        yield _line("load balancer, shared by up to 25 services", _LOAD_BALANCER_HOUR)
        if not (isinstance(env.network, MadeNetwork) and env.network.private):
            addresses = tasks + _ZONES
            yield _line(f"{addresses} public addresses, of tasks and load balancer", addresses * _ADDRESS_HOUR)


def _network(network: object) -> Iterator[CostLine]:
    if not isinstance(network, MadeNetwork):
        return
    if network.nat is Nat.ONE:
        yield _line("NAT gateway with its address", _NAT_HOUR + _ADDRESS_HOUR)
    elif network.private:
        yield _line(f"{_ENDPOINTS} interface endpoints in {_ZONES} zones", _ENDPOINTS * _ZONES * _ENDPOINT_HOUR)


def _database(made: MadeDatabase | None, environment: str) -> Iterator[CostLine]:
    if made is None:
        return
    servers = 2 if made.has_standby(environment) else 1
    hour, times = _DATABASE_HOUR.get(made.class_), "2 x " if servers > 1 else ""
    yield CostLine(f"{times}{made.class_}", None if hour is None else round(servers * hour * _HOURS, 2))
    yield CostLine(f"{times}{made.storage} GB of storage", round(servers * made.storage * _STORAGE_GB, 2))
    yield CostLine(f"{1 + _SECRETS_OF_SERVICE} secrets", round((1 + _SECRETS_OF_SERVICE) * _SECRET, 2))


def _line(what: str, hour: float) -> CostLine:
    return CostLine(what, round(hour * _HOURS, 2))
