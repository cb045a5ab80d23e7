"""Settings guessed for a service without [tool.slipway], from what the finder read; the user sees and corrects them."""

import re
import shlex
from collections.abc import Iterator, Mapping

from slipway.errors import BadInputError
from slipway.finder.survey import find, refuse
from slipway.finder.tree import Tree
from slipway.records.survey import Fact, Subject, Survey
from slipway.settings import Migrations, Settings
from slipway.structure import kebab, write

_DEFAULTS = Migrations()


def guess(files: Mapping[str, str]) -> Settings:
    """Guess settings from a tree's texts by file name; raises BadInputError without alembic's settings or an application."""
    survey = find(Tree.of(files))
    refuse(survey)
    command = shlex.split(survey.value(Subject.COMMAND))
    if not command:
        raise BadInputError(
            "found no ASGI or WSGI application in the tree",
            'declare how the service starts: command = ["…"] in [tool.slipway]',
        )
    port = int(survey.value(Subject.PORT))
    return Settings(
        name=survey.value(Subject.NAME), command=tuple(command), port=port, migrations=migrations_in(survey)
    )


def migrations_in(survey: Survey) -> Migrations:
    """Return what a survey says about the migrations, as the settings would say it."""
    variables = dict(fact.value.split("=", 1) for fact in survey.facts_about(Subject.VARIABLE))
    url_variable = survey.value(Subject.DATABASE_VARIABLE, _DEFAULTS.database_variable)
    variables.pop(url_variable, None)
    framework, scripts = survey.value(Subject.FRAMEWORK), survey.fact(Subject.SCRIPTS)
    advanced = framework == "advanced-alchemy"  # its commands name the folder themselves
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
    """Whether the settings have no value for a variable that the service names."""
    name = variable.value.partition("=")[0]
    return name != migrations.database_variable and name not in migrations.variables


def as_toml(settings: Settings) -> str:
    """Write the guess as a table for pyproject.toml."""
    data = write(settings, kebab)
    migrations = {
        key: value
        for key, value in data["migrations"].items()
        if value not in (None, [], {}, "") or (key, value) == ("app", "")
    }
    service = {key: data[key] for key in ("name", "command", "port")}
    return "\n".join(["[tool.slipway]", *_lines(service), "", "[tool.slipway.migrations]", *_lines(migrations)])


def _lines(table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{key} = {as_value(value)}"


def as_key(name: str) -> str:
    """Write a key of TOML."""
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else as_value(name)


def as_value(value: object) -> str:
    """Write a value of TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {as_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(as_value, value))}]"
    return str(value) if isinstance(value, int) else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
