"""The service on a developer's machine: the image that would be shipped, beside a Postgres at its head."""

import dagger

from slipway.graph import bases, postgres
from slipway.settings import Settings

_MIGRATED = 'alembic --config="$1" upgrade heads && shift && exec "$@"'


def database(settings: Settings) -> dagger.Service:
    """A Postgres of this session; whoever asks for it again in the session gets the same."""
    return postgres.service(bases.postgres(settings.images, settings.migrations), "up")


async def service(image: dagger.Container, settings: Settings) -> dagger.Service:
    """The service on its port; its database is migrated before it starts."""
    container = image.with_service_binding(postgres.HOST, database(settings))
    for name, value in settings.migrations.told(postgres.url()).items():
        container = container.with_env_variable(name, value)
    command = ["sh", "-c", _MIGRATED, "sh", settings.migrations.config, *await image.default_args()]
    return container.as_service(args=command)
