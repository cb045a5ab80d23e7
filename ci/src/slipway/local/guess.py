"""Settings guessed for a service without [tool.slipway], from what the finder read; the user sees and corrects them."""

import shlex
from collections.abc import Iterator, Mapping

from slipway.errors import BadInputError
from slipway.finder.survey import find
from slipway.finder.tree import Tree
from slipway.records.survey import Subject, Survey
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


def refuse(survey: Survey) -> None:
    """Raise BadInputError with every obstacle of a survey."""
    if not survey.obstacles:
        return
    first, *others = survey.obstacles
    more = "".join(f"\n  also: {each.what}: {each.next_step}" for each in others)
    raise BadInputError(first.what, f"{first.next_step}{more}")


def migrations_in(survey: Survey) -> Migrations:
    """Return what a survey says about the migrations, as the settings would say it."""
    variables = dict(fact.value.split("=", 1) for fact in survey.facts_about(Subject.VARIABLE))
    url_variable = survey.value(Subject.DATABASE_VARIABLE, _DEFAULTS.database_variable)
    variables.pop(url_variable, None)
    return Migrations(
        config=survey.value(Subject.CONFIG, _DEFAULTS.config),
        database_variable=url_variable,
        driver=survey.value(Subject.DRIVER, _DEFAULTS.driver),
        extensions=survey.values(Subject.EXTENSION),
        variables=variables,
    )


def as_toml(settings: Settings) -> str:
    """Write the guess as a table for pyproject.toml."""
    data = write(settings, kebab)
    migrations = {key: value for key, value in data["migrations"].items() if value not in (None, [], {})}
    service = {key: data[key] for key in ("name", "command", "port")}
    return "\n".join(["[tool.slipway]", *_lines(service), "", "[tool.slipway.migrations]", *_lines(migrations)])


def _lines(table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value) if isinstance(value, int) else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
