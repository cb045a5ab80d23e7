"""Prove the migrations in a folder, with its settings or without any, and with the previous release in git."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio.to_thread

from slipway import settings
from slipway.errors import BadInputError, SlipwayError
from slipway.finder.tree import repository_of, tree_at
from slipway.local.cache import prune_daily
from slipway.local.prove import (
    AlembicOptions,
    GateOptions,
    Workplace,
    enumerate_revisions,
    migrations_of,
    prove,
    read_models,
    snapshot,
)
from slipway.postgres.datadir import cache
from slipway.records.form import from_json, text_of
from slipway.records.gate import Listing, Previous, Since
from slipway.records.proof import Layer, Proof
from slipway.records.refusal import Refusal
from slipway.settings import Migrations
from slipway.source import archive_at, folder_of, released, unreleased
from slipway.workload.python import Python, check_environment, workspace_of


async def gate(
    options: GateOptions,
    *,
    statements: Path | None = None,
    layers: tuple[Layer, ...] = tuple(Layer),
    progress: Callable[[str], None] | None = None,
) -> Proof:
    """Return the proof of a work tree; raises SlipwayError if nothing can be executed.

    The release that new revisions are compared with is the previous one; `statements` are what its tests recorded.
    """
    await anyio.to_thread.run_sync(prune_daily)
    at, known = await _workplace(options)
    previous = Previous(name="")
    if known and known.commit and Layer.PREVIOUS in layers:
        name = known.by_default or known.name or known.commit[:12]
        previous = await previous_at(at, known.commit, name, options.alembic)
    if statements:
        previous = with_recorded(previous, text_of(statements, "the recorded statements"), str(statements))
    proof = await prove(at, since=known, previous=previous if previous.name else None, layers=layers, progress=progress)
    made = (
        () if options.python or at.python.folder.name == ".venv" else await anyio.to_thread.run_sync(_notes, at.folder)
    )
    coverage = replace(proof.coverage, gaps=(*proof.coverage.gaps, *made, *_of_another_major(at, proof.postgres)))
    path = at.folder.relative_to(repository_of(at.folder)).as_posix()
    return replace(proof, coverage=coverage, folder="" if path == "." else path)


def _of_another_major(at: Workplace, ran_on: str) -> Iterator[str]:
    """Yield how a server of ours differs from production's, because this machine has no other."""
    wanted = at.migrations.major
    if at.server is None and wanted and ran_on.partition(".")[0] != str(wanted):
        why = f"this machine has no PostgreSQL {wanted}, which the settings name, or it lacks an extension"
        yield f"the revisions ran on PostgreSQL {ran_on}: {why}"


async def revisions(options: GateOptions) -> Listing:
    """Return the revisions that `gate` would prove, without executing them; raises SlipwayError."""
    at, known = await _workplace(options)
    return await enumerate_revisions(at, known)


async def baseline(options: GateOptions) -> str:
    """Return the text of a baseline: the schema of the models, with all revisions counted as run; raises SlipwayError."""
    at, _ = await _workplace(options)
    return await snapshot(at)


async def _workplace(options: GateOptions) -> tuple[Workplace, Since | None]:
    """Return the folder with its environment and settings, and the revisions already released."""
    folder = folder_of(options.source)
    _check_temporary_folder()
    migrations = options.alembic.over(migrations_of(folder))
    if options.everything:
        migrations = replace(migrations, start_after=None)
    known = await anyio.to_thread.run_sync(_released, folder, options, migrations.start_after)
    interpreter = await anyio.to_thread.run_sync(python_of, folder, options.python)
    await anyio.to_thread.run_sync(check_environment, interpreter)
    return Workplace(folder=folder, python=interpreter, migrations=migrations, server=options.server), known


def _released(folder: Path, options: GateOptions, start_after: str | None) -> Since | None:
    """Return the state after which revisions are judged; None when all are, or those after `start_after`."""
    if options.since:
        return since_of(folder, options.since)
    return None if options.everything or start_after else unreleased(folder)


def _check_temporary_folder() -> None:
    """Raise BadInputError if no temporary file can be written."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise BadInputError(
            "there is no folder where temporary files can be written", "name one in the variable TMPDIR"
        ) from error


def since_of(folder: Path, name: str) -> Since:
    """Resolve a git ref; any other name may still be a revision, which only the gate can tell."""
    try:
        return released(folder, name)
    except BadInputError as error:
        return Since(name=name, refusal=Refusal.of(error))


def python_of(folder: Path, named: Path | None) -> Python:
    """Return the service's own Python: the named environment, its .venv, or one made from its lock. Raises BadInputError."""
    if named is not None:
        home = named.parent.parent if named.is_file() else named  # its interpreter may be named as well
        if not (home / "bin/python").exists():
            raise BadInputError(f"{named} is no virtual environment", "name the folder that holds bin/python")
        return Python(home.resolve())
    for project in filter(None, (folder, workspace_of(folder))):
        if (project / ".venv/bin/python").exists():
            return Python(project / ".venv")
    from slipway.workload.dependencies import prepare

    return prepare(folder, cache(), in_place=True)


def _notes(folder: Path) -> tuple[str, ...]:
    """Return what a report says about the environment that was made for a service."""
    from slipway.workload.dependencies import notes

    return notes(tree_at(folder))


async def previous_at(today: Workplace, commit: str, name: str, alembic: AlembicOptions) -> Previous:
    """Return the models of the release at a commit, or the reason why they cannot be read.

    Its own environment reads them. When that cannot be made, or lacks what env.py imports, today's does, which the gate reports.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-previous-") as unpacked:
        tree = Path(unpacked)
        try:
            folder = await anyio.to_thread.run_sync(_unpack, today.folder, commit, tree)
            at = replace(today, folder=folder, migrations=alembic.over(_settings_at(folder, today)))
            pyproject = folder / "pyproject.toml"
            text = pyproject.read_text(encoding="utf-8") if pyproject.is_file() else ""
            return starting(await _models_of(at, name, today), text)
        except SlipwayError as error:
            return Previous(name=name, refusal=str(error))


def _settings_at(tree: Path, today: Workplace) -> Migrations:
    """Return the settings of a tree; one that did not use slipway yet is read with today's."""
    try:
        return settings.load(tree, named=False).migrations
    except SlipwayError:
        return today.migrations


async def _models_in(at: Workplace, name: str, *, everything: bool) -> Previous:
    """Return the models that a release names in its own environment, with `everything` that of all extras and groups; raises SlipwayError."""
    from slipway.workload.dependencies import prepare

    own = await anyio.to_thread.run_sync(partial(prepare, at.folder, cache(), everything=everything))
    return await read_models(replace(at, python=own), name)


async def _models_of(at: Workplace, name: str, today: Workplace) -> Previous:
    try:
        return await _models_in(at, name, everything=False)
    except SlipwayError as error:
        with suppress(SlipwayError):
            return await _models_in(at, name, everything=True)
        sources = next(folder for folder in (at.folder / "src", at.folder) if folder.is_dir())
        here = replace(at, python=replace(today.python, site=sources))
        with suppress(SlipwayError):
            return replace(await read_models(here, name, apart_from=today.folder), caveat=str(error))
        raise


def with_recorded(previous: Previous, text: str, origin: str) -> Previous:
    """Add the recorded statements in a text; raises BadInputError."""
    recording = from_json(Previous, text, origin)
    return replace(previous, name=previous.name or recording.name, recorded=recording.recorded)


def starting(previous: Previous, pyproject: str) -> Previous:
    """Add the release's start command when it runs alembic."""
    try:
        command = " ".join(settings.parse(pyproject).command)
    except SlipwayError:  # it did not use slipway yet
        return previous
    return replace(previous, start=command if "alembic" in command else "")


def _unpack(folder: Path, commit: str, into: Path) -> Path:
    """Unpack the service at a commit, with the workspace that it is a member of, and return its folder; raises BadInputError."""
    root = workspace_of(folder) or folder
    with archive_at(root, commit) as archive:
        archive.extractall(into, filter="data")
    unpacked = into / folder.relative_to(root)
    if not unpacked.is_dir():
        raise BadInputError(f"the commit {commit[:12]} has no folder {folder.relative_to(root)}", "name a later one")
    return unpacked
