"""Facts about a service, each with the place where its files state it, and obstacles with their remedies."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from slipway.errors import SlipwayError
from slipway.records.form import Record

DEFAULT: Final = "the default"  # instead of a place: the value is assumed because no file states it


class Subject(Enum):
    """The subject of a fact; its value is the word that reports use."""

    NAME = "name"
    SERVICE = "service"  # a subfolder with a service; the folder above is no service
    CONFIG = "alembic settings"
    SCRIPTS = "alembic folder"
    DIRECTORY = "working directory"
    BASELINE = "baseline"
    FRAMEWORK = "framework"
    PYTHON = "python"
    LOCK = "lock"
    GROUP = "dependency group"
    EXTRA = "extra"
    WORKSPACE = "workspace"
    APPLICATION = "application"
    FLASK_APP = "Flask application"
    ALCHEMY = "advanced-alchemy config"
    SERVER = "server"
    COMMAND = "command"
    LEFT_OUT = "left out of it"  # another command of the service besides the one that starts the server
    MIGRATES = "migrates today"  # a command in Procfile, compose or a script that runs migrations today
    SOURCES = "import path"
    PORT = "port"
    DOCKERFILE = "Dockerfile"
    TARGET = "Dockerfile's stage"
    USER = "user of the image"  # only when it is root
    PACKAGE = "system package"  # a package of Debian
    HEALTH_PATH = "health path"
    POSTGRES = "postgres"
    EXTENSION = "extension"
    DATABASE_VARIABLE = "database variable"
    DRIVER = "URL scheme"
    VARIABLE = "variable"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One value that a file states.

    - value: as the file has it; for a variable its name and a stand-in, NAME=stand-in.
    - place: the file, relative to the service's folder, and the line, such as `Dockerfile line 3`.
    - guessed: why the value may be wrong; empty when the file states it.
    """

    subject: Subject
    value: str
    place: str
    guessed: str = ""


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Something that is missing or unusable, and the next step."""

    what: str
    next_step: str

    @classmethod
    def of(cls, error: SlipwayError) -> "Obstacle":
        return cls(what=error.what, next_step=error.next_step)


@dataclass(frozen=True, kw_only=True)
class Survey(Record, schema="slipway/survey/1"):
    """Everything that was found in one run."""

    facts: tuple[Fact, ...]
    obstacles: tuple[Obstacle, ...] = ()

    def fact(self, subject: Subject) -> Fact | None:
        """Return the first fact about a subject, which is the most reliable one."""
        return next(self.facts_about(subject), None)

    def facts_about(self, subject: Subject) -> Iterator[Fact]:
        return (fact for fact in self.facts if fact.subject is subject)

    def value(self, subject: Subject, default: str = "") -> str:
        fact = self.fact(subject)
        return fact.value if fact else default

    def values(self, subject: Subject) -> tuple[str, ...]:
        return tuple(fact.value for fact in self.facts_about(subject))
