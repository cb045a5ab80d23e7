"""The folder of a service."""

from pathlib import Path

from slipway.errors import BadInputError


def folder_of(source: Path) -> Path:
    """Return the service's folder; raises BadInputError if it does not exist."""
    if not source.is_dir():
        raise BadInputError(f"there is no folder {source}", "name the service's folder with --source")
    return source.resolve()
