"""What a folder's settings say about its migrations."""

from pathlib import Path

from slipway import settings
from slipway.settings import Migrations, MissingTableError


def migrations_of(folder: Path) -> Migrations:
    """What the settings say; the gate can be had alone, so a service without `[tool.slipway]` gets the defaults."""
    try:
        return settings.load(folder).migrations
    except MissingTableError:
        return Migrations()
