"""What the service is told from outside, read from the environment once."""

from collections.abc import Mapping
from dataclasses import dataclass


class MissingSettingError(Exception):
    """A variable the service cannot start without."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the environment variable {name} is not set")


@dataclass(frozen=True)
class Settings:
    """The service's settings.

    `database_url` is a plain `postgresql://` URL: SQLAlchemy 2.1 picks psycopg for it, in the app (async) and in alembic (sync).
    `git_revision` is the commit the image was built from.
    """

    database_url: str
    git_revision: str = "unknown"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings; raises MissingSettingError."""
        if not environment.get("DATABASE_URL"):
            raise MissingSettingError("DATABASE_URL")
        return cls(environment["DATABASE_URL"], environment.get("GIT_REVISION", "unknown"))
