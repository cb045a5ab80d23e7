"""The service: its settings, its lock and its alembic settings."""

from slipway import settings
from slipway.doctor.check import DoctorOptions, SkippedError
from slipway.errors import BadInputError
from slipway.settings import MissingTableError
from slipway.workload.dependencies import lock_of


def settings_file(options: DoctorOptions) -> str:
    """Check [tool.slipway], which the gate does not need."""
    try:
        read = settings.load(options.folder)
    except MissingTableError as error:
        raise SkippedError(error.what, f"{error.next_step}; `slipway gate` works without") from error
    environments = ", ".join(read.environments) or "no environments"
    return f"{read.name}, with {environments}"


def lock(options: DoctorOptions) -> str:
    """Check the lock file; raises BadInputError."""
    return lock_of(options.folder).name


def alembic(options: DoctorOptions) -> str:
    """Check alembic's settings file; raises BadInputError if it is missing."""
    read = options.settings()
    name = read.migrations.config if read else "alembic.ini"
    if not (options.folder / name).is_file():
        raise BadInputError(
            f"there is no {name} in {options.folder}",
            "name alembic's settings file in [tool.slipway.migrations] config",
        )
    return name
