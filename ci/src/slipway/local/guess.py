"""Settings for a service without [tool.slipway], guessed from the facts that the finder read.

The user sees and corrects them.
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from slipway import toml
from slipway.errors import BadInputError
from slipway.finder.survey import find, refuse
from slipway.finder.tree import Tree
from slipway.records.survey import Fact, Subject, Survey
from slipway.settings import Migrations
from slipway.structure import kebab, write

_DEFAULTS: Final = Migrations()
# The settings, each with the subject of the facts that state its value.
_SERVICE: Final = {
    "name": Subject.NAME,
    "command": Subject.COMMAND,
    "port": Subject.PORT,
    "health-path": Subject.HEALTH_PATH,
}
_IMAGES: Final = {"dockerfile": Subject.DOCKERFILE, "target": Subject.TARGET}
_COMMENTS: Final = {"start-after": "revisions up to this one are not tested: they were there before slipway"}
_MIGRATIONS: Final = {
    "config": Subject.CONFIG,
    "directory": Subject.DIRECTORY,
    "scripts": Subject.SCRIPTS,
    "app": Subject.FLASK_APP,
    "postgres": Subject.POSTGRES,
    "extensions": Subject.EXTENSION,
    "database-variable": Subject.DATABASE_VARIABLE,
    "driver": Subject.DRIVER,
}


def guess(files: Mapping[str, str]) -> str:
    """Return guessed settings as text, from the texts of a tree by file name.

    Raise BadInputError when the tree has no settings of alembic or no application.
    """
    survey = find(Tree.of(files))
    refuse(survey)
    if not survey.value(Subject.COMMAND):
        raise BadInputError(
            "found no ASGI or WSGI application in the tree",
            'declare how the service starts: command = ["…"] in [tool.slipway]',
        )
    return table_of(survey)


def table_of(survey: Survey, baseline: str = "", start_after: str = "") -> str:
    """Return the settings as text, with a comment beside each guessed value."""
    service, migrations = _tables(survey)
    migrations |= {"baseline": baseline} if baseline else {}
    migrations |= {"start-after": start_after} if start_after else {}
    variables = migrations.pop("variables", {})
    images = {key: survey.value(subject) for key, subject in _IMAGES.items() if service and survey.fact(subject)}
    parts = [
        ("[tool.slipway]", service, _SERVICE),
        ("[tool.slipway.images]", images, _IMAGES),
        ("[tool.slipway.migrations]", migrations, _MIGRATIONS),
    ]
    lines = [line for heading, table, subjects in parts for line in _lines(heading, table, subjects, survey)]
    if variables:
        lines += ["", "[tool.slipway.migrations.variables] # stand-ins, no secrets"]
        lines += [f"{toml.key_of(name)} = {toml.written(value)}" for name, value in variables.items()]
    return "\n".join(lines).strip("\n") + "\n"


def _lines(heading: str, table: Mapping[str, Any], subjects: Mapping[str, Subject], survey: Survey) -> Iterator[str]:
    if not table:
        return
    yield from ("", heading)
    for key, value in table.items():
        fact = survey.fact(subjects[key]) if key in subjects else None
        guessed = f"guessed: {' '.join(fact.guessed.split())}" if fact and fact.guessed else ""
        comment = guessed or _COMMENTS.get(key, "")
        yield f"{key} = {toml.written(value)}{f' # {comment}' if comment else ''}"


def _tables(survey: Survey) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the service's table and that of its migrations, without default values.

    Without a start command the service's table is empty.
    """
    defaults = write(_DEFAULTS, kebab)
    migrations = {key: value for key, value in write(migrations_in(survey), kebab).items() if value != defaults[key]}
    command = shlex.split(survey.value(Subject.COMMAND))
    if not command:
        return {}, migrations or {"config": survey.value(Subject.CONFIG, defaults["config"])}
    service = {"name": survey.value(Subject.NAME), "command": command, "port": int(survey.value(Subject.PORT))}
    health = survey.fact(Subject.HEALTH_PATH)
    return service | ({"health-path": health.value} if health else {}), migrations


def migrations_in(survey: Survey) -> Migrations:
    """Return the settings of the migrations that a survey's facts state."""
    variables = dict(fact.value.split("=", 1) for fact in survey.facts_about(Subject.VARIABLE))
    url_variable = survey.value(Subject.DATABASE_VARIABLE, _DEFAULTS.database_variable)
    variables.pop(url_variable, None)
    framework, scripts = survey.value(Subject.FRAMEWORK), survey.fact(Subject.SCRIPTS)
    advanced = framework == "advanced-alchemy"  # the commands of advanced-alchemy name the folder themselves
    unnamed = scripts is not None and (advanced or scripts.place.endswith("env.py"))
    app = {"Flask-Migrate": survey.value(Subject.FLASK_APP), "advanced-alchemy": survey.value(Subject.ALCHEMY) or None}
    return Migrations(
        config=survey.value(Subject.CONFIG, _DEFAULTS.config),
        directory="" if advanced else survey.value(Subject.DIRECTORY),
        scripts=survey.value(Subject.SCRIPTS) if unnamed else "",
        app=app.get(framework),
        postgres=survey.value(Subject.POSTGRES, _DEFAULTS.postgres),
        database_variable=url_variable,
        driver=survey.value(Subject.DRIVER, _DEFAULTS.driver),
        extensions=survey.values(Subject.EXTENSION),
        variables=variables,
    )


def is_unset(variable: Fact, migrations: Migrations) -> bool:
    """Return whether a variable that the service reads has no value in the settings."""
    name = variable.value.partition("=")[0]
    return name != migrations.database_variable and name not in migrations.variables
