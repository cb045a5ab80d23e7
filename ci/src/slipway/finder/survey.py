"""find: all facts and all obstacles of a service in one run."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from slipway.errors import BadInputError, ObstaclesError
from slipway.finder import alembic as settings
from slipway.finder.apart import apart, obstacle
from slipway.finder.application import alchemy, application, applications, flask_application
from slipway.finder.command import command, is_as_written
from slipway.finder.database import database, old_sqlalchemy, other_database
from slipway.finder.dockerfile import instructions, own_image, system_packages
from slipway.finder.health import health_path
from slipway.finder.history import beginning
from slipway.finder.imports import reached
from slipway.finder.interpreter import interpreter
from slipway.finder.locks import declaration, lock, needed, parts, workspace
from slipway.finder.settings_files import missing_settings
from slipway.finder.start import migrations_today, starting, starts
from slipway.finder.startup import migrating_call
from slipway.finder.tree import Tree, without_password
from slipway.finder.variables import variables
from slipway.records.survey import DEFAULT, Fact, Obstacle, Subject, Survey

_DEFAULT_PORT = Fact(subject=Subject.PORT, value="8000", place=DEFAULT, guessed="no file names a port")


def find(tree: Tree) -> Survey:
    """Survey a service. For a subject with one value, the first fact is the most reliable."""
    if services := tuple(apart(tree)):
        return Survey(facts=services, obstacles=(obstacle([each.value for each in services]),))
    facts = tuple(_facts(tree))
    return Survey(facts=facts, obstacles=tuple(_obstacles(tree, facts)))


def refuse(survey: Survey) -> None:
    """Raise BadInputError with every obstacle of a survey."""
    if survey.obstacles:
        raise ObstaclesError([BadInputError(each.what, each.next_step) for each in survey.obstacles])


def _facts(tree: Tree) -> Iterator[Fact]:
    yield _name(tree)
    of_alembic = [*settings.alembic(tree)]
    yield from of_alembic
    for fact in of_alembic:
        if fact.subject is Subject.SCRIPTS:
            yield from beginning(tree, fact.value)
    yield from interpreter(tree)
    yield from filter(None, (lock(tree) or declaration(tree), workspace(tree)))
    yield from parts(tree)
    started = [*_start(tree)]
    yield from started
    for place, line in migrations_today(tree):
        yield Fact(subject=Subject.MIGRATES, value=without_password(line), place=place)
    if call := migrating_call(tree, (fact.value for fact in started if fact.subject is Subject.APPLICATION)):
        yield Fact(subject=Subject.MIGRATES, value=call[1], place=call[0])
    if any(fact.value == "Flask-Migrate" for fact in of_alembic):
        yield from flask_application(tree)
    yield from own_image(tree)
    yield from system_packages(tree)
    if any(re.fullmatch(r"src/(?:[^/]+/)?[^/]+", name) for name in tree.sources):
        yield Fact(subject=Subject.SOURCES, value="src", place="the folder src")
    yield from _health_paths(tree, started)
    of_database = [*database(tree)]
    yield from of_database
    drivers = (fact.value for fact in of_database if fact.subject is Subject.DRIVER)
    yield from variables(tree, next(drivers, "postgresql"))


def _name(tree: Tree) -> Fact:
    tables = (tree.table("pyproject.toml", "project"), tree.table("pyproject.toml", "tool", "poetry"))
    if name := next(filter(None, (table.get("name") for table in tables)), ""):
        return Fact(subject=Subject.NAME, value=_as_name(str(name)), place=tree.place_of("pyproject.toml", "name"))
    if name := tree.ini("setup.cfg").get("metadata", "name", fallback=""):
        return Fact(subject=Subject.NAME, value=_as_name(name), place=tree.place_of("setup.cfg", "name"))
    guessed = "no file names the service"
    return Fact(subject=Subject.NAME, value=_as_name(tree.folder), place="the folder's name", guessed=guessed)


def _as_name(text: str) -> str:
    """Return a text as a name for a repository of images, which has at least two characters."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return name if len(name) > 1 else f"{name}-service".strip("-")


def _start(tree: Tree) -> Iterator[Fact]:
    """Yield facts about the start of the service: application, server, port and command."""
    commanded, defined = [*starting(tree)], [*application(tree)]
    yield from commanded
    yield from defined
    yield from alchemy(tree)
    port = next((fact for fact in commanded if fact.subject is Subject.PORT), _DEFAULT_PORT)
    if port is _DEFAULT_PORT:
        yield port
    start = next((each for each in starts(tree) if not each.guessed), None)
    if line := command(start, applications(tree), needed(tree), port.value):
        place = start.place if start else defined[0].place
        line = (*(start.wrapper if start else ()), *line)
        guessed = "" if start else _unknown_start(tree)
        if start and not is_as_written(line, start):
            guessed = f"the line is {without_password(shlex.join(start.words))}"
        yield Fact(subject=Subject.COMMAND, value=shlex.join(line), place=place, guessed=guessed)
        for other, at in start.others.items() if start else ():
            yield Fact(subject=Subject.LEFT_OUT, value=without_password(other), place=at)
        if not any(fact.subject is Subject.SERVER for fact in commanded):
            yield Fact(subject=Subject.SERVER, value=line[0], place=place, guessed=guessed)


def _health_paths(tree: Tree, started: Sequence[Fact]) -> Iterator[Fact]:
    """Yield the health paths. Those in modules that the application does not import come last, as guesses."""
    application = next((fact for fact in started if fact.subject is Subject.APPLICATION and not fact.guessed), None)
    files = reached(tree, application.value.partition(":")[0]) if application else None
    elsewhere = []
    for fact in health_path(tree):
        file = fact.place.rpartition(" line ")[0]
        if application and files and file in tree.sources and file not in files:
            elsewhere.append(replace(fact, guessed=f"{application.value} does not import this module"))
        else:
            yield fact
    yield from elsewhere


def _unknown_start(tree: Tree) -> str:
    """Return why a command is a guess: one for development, or what the image runs instead of a server."""
    if developers := next(starts(tree), None):
        return f"the command of {developers.place} is one for development"
    runs = [each for each in instructions(tree) if each.word in {"CMD", "ENTRYPOINT"} and each.command]
    return "no file starts a server" + "".join(
        f"; {each.place} runs {without_password(shlex.join(each.command))}" for each in runs[:1]
    )


def _obstacles(tree: Tree, facts: tuple[Fact, ...]) -> Iterator[Obstacle]:
    yield from settings.obstacles(tree, facts)
    yield from other_database(tree)
    yield from old_sqlalchemy(tree)
    yield from missing_settings(tree)
