"""A service that runs: the image that would be shipped, beside a Postgres at its head.

The service migrates when it starts, for an exec of its own would come from the cache, and the database would stay empty.
"""

import dagger

from slipway.graph import bases, postgres
from slipway.graph.image import with_variables
from slipway.settings import Settings

_MIGRATED = 'alembic --config="$1" upgrade heads && shift && exec "$@"'


def database(settings: Settings, purpose: str = "up") -> dagger.Service:
    """A Postgres of this session; whoever asks for the same purpose again in the session gets the same."""
    return postgres.service(bases.postgres(settings.images, settings.migrations), purpose)


async def service(image: dagger.Container, settings: Settings, purpose: str = "up") -> dagger.Service:
    """The service on its port; its database is migrated before it starts."""
    container = image.with_service_binding(postgres.HOST, database(settings, purpose))
    container = with_variables(container, settings.migrations.told(postgres.url()))
    command = ["sh", "-c", _MIGRATED, "sh", settings.migrations.config, *await image.default_args()]
    return container.as_service(args=command)
