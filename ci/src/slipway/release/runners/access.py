"""The order for a task that reads or creates a service's roles and database on bootstrap's server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from slipway.release.runners.definition import TaskOrder, portable_command
from slipway.settings import MigrationRunner

_CONNECT_SECONDS = "10"  # for drivers based on libpq; otherwise a closed port blocks a task for minutes


@dataclass(frozen=True)
class AccessOrder(TaskOrder):
    """The order for a task that reads or creates a service's roles and database.

    With `only_reads` it creates nothing.
    - task: where the task runs, and with which role.
    - secret_names: the names of the secrets, by variable.
    - arguments: the program's arguments.
    """

    task: MigrationRunner = field(kw_only=True)
    references: Mapping[str, str] = field(kw_only=True)
    arguments: tuple[str, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        """Skip the checks of a migration, which needs settings of its own."""

    @property
    def secrets(self) -> dict[str, str]:
        return dict(self.references)

    @property
    def variables(self) -> Mapping[str, str]:
        return {"PGCONNECT_TIMEOUT": _CONNECT_SECONDS}

    @property
    def runner(self) -> MigrationRunner:
        return self.task

    @property
    def command(self) -> tuple[str, ...]:
        return portable_command([*self.arguments, *([] if self.only_reads else ["--make"])], "access")

    @property
    def noun(self) -> str:
        return "check of the database's roles" if self.only_reads else "making of the database's roles"

    @property
    def family(self) -> str:
        return f"{self.settings.service_name(self.environment)}-access{'-check' if self.only_reads else ''}"

    @property
    def log_group(self) -> str:
        return access_log(self.settings.service_name(self.environment))

    @property
    def again(self) -> str:
        return f"slipway bootstrap --environment {self.environment} --image {self.image}"


def access_log(service: str) -> str:
    """Return the log group of such tasks."""
    return f"/slipway/{service}-access"
