"""Settings of the service, read once from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass


class MissingSettingError(Exception):
    """A required environment variable is not set."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the environment variable {name} is not set")


@dataclass(frozen=True)
class Settings:
    """The settings of the service."""

    database_url: str  # plain postgresql://; SQLAlchemy 2.1 uses psycopg for it, async in the app and sync in alembic
    git_revision: str = "unknown"  # the commit of the image

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings; raises MissingSettingError."""
        if not environment.get("DATABASE_URL"):
            raise MissingSettingError("DATABASE_URL")
        return cls(environment["DATABASE_URL"], environment.get("GIT_REVISION", "unknown"))
