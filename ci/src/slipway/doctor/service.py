"""The service: its settings, its lock and its alembic settings."""

from slipway import settings
from slipway.doctor.question import NotExaminedError, Question
from slipway.errors import BadInputError
from slipway.settings import MissingTableError
from slipway.workload.dependencies import lock_of


def settings_file(question: Question) -> str:
    """Check [tool.slipway], which the gate does not need."""
    try:
        read = settings.load(question.folder)
    except MissingTableError as error:
        raise NotExaminedError(error.what, f"{error.next_step}; `slipway gate` works without") from error
    environments = ", ".join(read.environments) or "no environments"
    return f"{read.name}, with {environments}"


def lock(question: Question) -> str:
    """Check the lock file; raises BadInputError."""
    return lock_of(question.folder).name


def alembic(question: Question) -> str:
    """Check alembic's settings file; raises BadInputError if it is missing."""
    read = question.settings()
    name = read.migrations.config if read else "alembic.ini"
    if not (question.folder / name).is_file():
        raise BadInputError(
            f"there is no {name} in {question.folder}",
            "name alembic's settings file in [tool.slipway.migrations] config",
        )
    return name
