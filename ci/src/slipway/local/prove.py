"""The gate on this machine: its process in the service's virtual environment, and an ephemeral Postgres."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio.to_thread

from slipway import settings
from slipway.errors import BadInputError
from slipway.finder.tree import Tree, repository_of, table_in, tree_at
from slipway.local.inside import Database, Inside, started
from slipway.postgres import binaries
from slipway.postgres.binaries import Binaries
from slipway.postgres.server import running
from slipway.records.form import from_json, to_json
from slipway.records.gate import (
    PROGRESS_MARK,
    Ask,
    GateProgress,
    GateQuestion,
    Listing,
    Previous,
    PreviousRelease,
    Since,
)
from slipway.records.migration import Baseline
from slipway.records.progress import SILENT, Progress, repeated
from slipway.records.proof import Layer, Proof
from slipway.records.survey import Subject
from slipway.settings import Migrations, MissingTableError
from slipway.structure import kebab
from slipway.workload.python import Python, document_of

T = TypeVar("T")

# A placeholder until the server runs: revisions may read the variables on import.
_NOWHERE = "postgresql://slipway@127.0.0.1:1/slipway"


@dataclass(frozen=True)
class NamedServer:
    """A Postgres server on which the gate may create databases."""

    url: str = field(repr=False)  # it holds a password
    allow_production_like: bool = False  # the server is disposable, though its URL looks like production

    @classmethod
    def of(cls, url: str | None, *, allow_production_like: bool) -> "NamedServer | None":
        return cls(url, allow_production_like) if url else None


@dataclass(frozen=True, kw_only=True)
class AlembicOptions:
    """Options of a command that replace the settings for calling alembic."""

    config: str | None = None
    section: str | None = None
    x_arguments: tuple[str, ...] = ()

    def over(self, migrations: Migrations) -> Migrations:
        passed = {name: value for name, value in vars(self).items() if value}
        return replace(migrations, **passed)


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """The options of the gate on this machine, from the command line or pytest's."""

    source: Path
    alembic: AlembicOptions = AlembicOptions()
    # a revision or a git ref; None for the default, the revisions that a pull request would add
    since: str | None = None
    everything: bool = False  # test released revisions, too
    python: Path | None = None
    server: NamedServer | None = None
    migrations: Migrations | None = None  # the service's settings, when the caller has already read them
    progress: Progress = SILENT


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """A service's folder, its virtual environment, its settings, and a server. When `server` is None, the gate starts its own.

    - calls, called_by: the services that this service calls, and those that call it.
    """

    folder: Path
    python: Python
    migrations: Migrations
    calls: tuple[str, ...] = ()
    called_by: tuple[str, ...] = ()
    server: NamedServer | None = None
    progress: Progress = SILENT

    @cached_property
    def tree(self) -> Tree:
        """The service's files, as the finder reads them."""
        return tree_at(self.folder)


def migrations_of(folder: Path) -> Migrations:
    """Return the folder's settings of migrations. Use the finder's facts when the folder has none, or when they do not name alembic's settings.

    Raise BadInputError with all obstacles.
    """
    stated = None
    with suppress(MissingTableError):
        stated = settings.load(folder, named=False).migrations
    if stated and (has_alembic(folder, stated) or stated.config != Migrations().config):
        return stated
    from slipway.finder.survey import find, refuse
    from slipway.local.guess import migrations_in
    from slipway.local.services import no_service, services_below

    survey = find(tree := tree_at(folder))
    if stated:
        keys = tree.table(tree.settings_file(), "tool", "slipway", "migrations")
        named = {name: value for name, value in vars(stated).items() if kebab(name) in keys}
        return replace(migrations_in(survey), **named) if survey.fact(Subject.CONFIG) else stated
    below = services_below(folder) if survey.obstacles or "/" in survey.value(Subject.CONFIG) else ()
    config = folder.resolve() / survey.value(Subject.CONFIG)
    if below and (survey.obstacles or any(config.is_relative_to(repository_of(folder) / each) for each in below)):
        raise no_service(folder, below)
    refuse(survey)
    return migrations_in(survey)


def has_alembic(folder: Path, migrations: Migrations) -> bool:
    """Return whether alembic's settings are in the file that the settings of migrations name, or in a pyproject.toml."""
    documents = (document_of(folder / place / "pyproject.toml") for place in ("", migrations.directory))
    named = migrations.scripts or (folder / migrations.config).is_file()
    return bool(named) or any("alembic" in table_in(document, "tool") for document in documents)


# The settings that are passed to the gate unchanged, under the same name.
_SHARED: Final = {each.name for each in fields(GateQuestion)} & {each.name for each in fields(Migrations)} - {
    "previous"
}


def question_of(migrations: Migrations, **more: Any) -> GateQuestion:
    """Return the gate's question for a service's settings."""
    return GateQuestion(
        **{name: getattr(migrations, name) for name in _SHARED},
        previous_required=migrations.previous is PreviousRelease.REQUIRED,
        **more,
    )


async def prove(
    at: Workplace,
    *,
    since: Since | None = None,
    previous: Previous | None = None,
    layers: tuple[Layer, ...] = tuple(Layer),
    process: Inside | None = None,
) -> Proof:
    """Return the proof of a folder's history. Raise SlipwayError when it cannot be executed.

    - since: when the caller named it, it replaces `start_after`.
    - previous: the release that must work on the new schema.
    - process: the gate's process, when it is already running.
    """
    at.progress.stage("starting the service's Python and Postgres")
    question = question_of(
        at.migrations,
        since=since,
        previous=previous,
        layers=layers,
        calls=at.calls,
        called_by=at.called_by,
        keep=at.server is None,
        progress=at.progress.is_shown,
    )
    return await _answer(Proof, question, at, process)


async def enumerate_revisions(at: Workplace, since: Since | None) -> Listing:
    """List the revisions that `prove` would execute. Raise the same SlipwayErrors, as far as they need no execution."""
    question = question_of(at.migrations, since=since, ask=Ask.LISTING, check_server=at.server is not None)
    return await _answer(Listing, question, at)


async def read_models(at: Workplace, release: str, apart_from: Path | None = None) -> Previous:
    """Return the models of the release in a folder.

    Raise SlipwayError when they cannot be read, or were imported from the folder `apart_from`.
    """
    other = str(apart_from or "")
    return await _answer(Previous, question_of(at.migrations, ask=Ask.MODELS, release=release, apart_from=other), at)


async def snapshot(at: Workplace) -> str:
    """Return the schema of the service's models as the text of a baseline.

    Raise SlipwayError when they cannot be read.
    """
    arguments = [*at.migrations.runner, "--snapshot"]
    async with started("slipway.migration", arguments, at.folder, at.python) as process, _url(at, Ask.MODELS) as url:
        written = await process.answer(Database(url, at.migrations.database_variables(url)))
    return from_json(Baseline, written, "the baseline").sql


async def _answer(kind: type[T], question: GateQuestion, at: Workplace, process: Inside | None = None) -> T:
    """Start the gate and then its server, because the gate's imports take longer. Return the gate's answer."""
    allowed = at.server is not None and at.server.allow_production_like
    line = to_json(replace(question, allow_production_like=allowed), indent=None)
    running_gate = nullcontext(process) if process else started("slipway.gate", [], at.folder, at.python)
    work = _Work(at.progress)
    async with running_gate as gate, _url(at, question.ask) as url:
        database = Database(url, at.migrations.database_variables(url))
        with repeated(at.progress.stage, lambda: work.now):
            return from_json(kind, await gate.answer(database, line, work.read), "the gate's answer")


@asynccontextmanager
async def _url(at: Workplace, ask: Ask) -> AsyncIterator[str]:
    """Yield the URL of the named server, or of a server of our own.

    Ours keeps its template databases for the next run.
    """
    if at.server:
        yield at.server.url
        return
    installation = await anyio.to_thread.run_sync(lambda: server_binaries(at.tree, at.migrations))
    if ask is Ask.LISTING:
        yield _NOWHERE
        return
    shelf = f"{at.folder}\0{sorted(at.migrations.variables.items())}"
    async with running(installation, shelf=shelf) as server:
        yield server.url


def server_binaries(tree: Tree, migrations: Migrations) -> Binaries:
    """Find server binaries.

    Take another major when only that one has the revisions' extensions. Raise BadInputError when there are none.
    """
    from slipway.finder.database import created_by_migrations

    known = {*migrations.extensions, *created_by_migrations(tree, migrations.baseline)}
    return binaries.find(migrations.major, known)


# The words for each layer's work in its line of progress.
_WORK: Final = {
    Layer.ALWAYS: "running the revisions",
    Layer.TRACE: "measuring the locks of each statement",
    Layer.ROWS: "running them on tables with rows",
    Layer.TOGETHER: "running them in one run of env.py",
    Layer.INTERRUPTION: "interrupting them",
    Layer.PREVIOUS: "replaying the previous release",
    Layer.CONCURRENCY: "running them beside other sessions",
}


@dataclass
class _Work:
    """The progress of the gate's work, read from its lines on standard error."""

    progress: Progress
    now: str = "importing the service's code"
    begun: dict[Layer, set[str]] = field(default_factory=lambda: defaultdict(set))

    def read(self, line: str) -> bool:
        """Show the progress that a line of standard error reports. Return False when the line is no progress."""
        if not line.startswith(PROGRESS_MARK):
            return False
        try:
            event = from_json(GateProgress, line.removeprefix(PROGRESS_MARK), "the gate's progress")
        except BadInputError:  # a line that a revision printed
            return False
        work, revisions = _WORK[event.layer], self.begun[event.layer]
        if not revisions:
            self.progress.stage(f"{work}, {event.of} in all")
        revisions.add(event.revision)
        self.now = f"{work}: {event.revision}, {len(revisions)} of {event.of}"
        self.progress.detail(self.now)
        return True
