"""The service: its settings, its lock, its history's settings file."""

from slipway import settings
from slipway.doctor.question import NotExaminedError, Question
from slipway.errors import BadInputError
from slipway.settings import MissingTableError
from slipway.workload.dependencies import lock_of


def settings_file(question: Question) -> str:
    """`[tool.slipway]`; the gate can be had without it."""
    try:
        read = settings.load(question.folder)
    except MissingTableError as error:
        raise NotExaminedError(error.what, f"{error.next_step}; `slipway gate` works without") from error
    environments = ", ".join(read.environments) or "no environments"
    return f"{read.name}, with {environments}"


def lock(question: Question) -> str:
    """The file that pins what is installed; raises BadInputError."""
    return lock_of(question.folder).name


def alembic(question: Question) -> str:
    """The settings file of alembic, where the settings say it is, or where alembic would look; raises BadInputError."""
    read = question.settings()
    name = read.migrations.config if read else "alembic.ini"
    if not (question.folder / name).is_file():
        raise BadInputError(
            f"there is no {name} in {question.folder}",
            "name alembic's settings file in [tool.slipway.migrations] config",
        )
    return name
