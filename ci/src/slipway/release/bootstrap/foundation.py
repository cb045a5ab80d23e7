"""The stack that all services of an environment share: the network, and the Postgres server in it.

It is separate from the services' stacks, so that a second service joins the network instead of creating its own.
Neither its name nor its contents depend on a service.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import combinations

from slipway.errors import Obstacles, SlipwayError
from slipway.records.gate import MAJORS
from slipway.release.bootstrap.network import network
from slipway.release.bootstrap.server import server
from slipway.release.cloudformation import Part
from slipway.release.prices import CLASSES
from slipway.settings import AppRunnerEnvironment, ManagedNetwork, Settings, SettingsError


def foundation(settings: Settings, environment: str) -> list[Part]:
    """Return the parts of the stack; none when the team has its own network.

    Raise SettingsError, or ObstaclesError for several.
    """
    obstacles = Obstacles()
    obstacles.found += _obstacles(settings, environment)
    obstacles.refuse()
    env = settings.environment(environment)
    if not isinstance(env.network, ManagedNetwork):
        return []
    parts = network(environment, env, env.network)
    major = settings.migrations.major
    if env.database and major:
        parts.append(server(environment, env.database, major))
    return parts


def _obstacles(settings: Settings, environment: str) -> Iterator[SlipwayError]:
    env, table = settings.environment(environment), f"[tool.slipway.environments.{environment}"
    made = {
        name: each.network for name, each in settings.environments.items() if isinstance(each.network, ManagedNetwork)
    }
    for (name, one), (other_name, other) in combinations(made.items(), 2):
        if environment in {name, other_name} and one.addresses.overlaps(other.addresses):
            yield SettingsError(
                f"the networks of {name} and {other_name} overlap: {one.cidr} and {other.cidr}",
                f"give one of them another cidr in network of {table}]",
            )
    if isinstance(env, AppRunnerEnvironment) and environment in made and made[environment].private:
        yield SettingsError(
            f"{environment} is private, and App Runner has no internal load balancer",
            f'remove private in network of {table}], or choose target = "ecs-express"',
        )
    zones = made[environment].zones if environment in made else ()
    if foreign := [zone for zone in zones if not zone.startswith(env.region)]:
        yield SettingsError(
            f"{environment} is in {env.region}, and the zones {', '.join(foreign)} are not",
            f"write zones of {env.region} into network of {table}], such as {env.region}a, or remove zones",
        )
    if env.database is None:
        return
    if environment not in made:
        yield SettingsError(
            f"{environment} has a managed database and no managed network",
            f"add managed = true and cidr to network of {table}], or name the secret of your own database",
        )
    if env.database.class_ not in CLASSES:
        (close,) = get_close_matches(env.database.class_, CLASSES, 1) or CLASSES[:1]
        yield SettingsError(
            f"the database of {environment} has a class that RDS has not for Postgres, {env.database.class_!r:.60}",
            f"choose one such as {close}",
        )
    if settings.migrations.major not in MAJORS:
        yield SettingsError(
            f"{environment} has a managed database, and there is no Postgres {settings.migrations.postgres!r:.60} on RDS",
            f"set postgres in [tool.slipway.migrations] to a major from {MAJORS[0]} to {MAJORS[-1]}",
        )
