"""Prove the migrations in a folder, with its settings or without any."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio.to_thread

from slipway.errors import BadInputError
from slipway.local.previous import previous_at, recorded_in
from slipway.local.prove import NamedServer, Workplace, enumerate_revisions, migrations_of, prove
from slipway.postgres.datadir import cache
from slipway.records.gate import Listing, Previous, Since
from slipway.records.proof import Layer, Proof
from slipway.records.refusal import Refusal
from slipway.source.released import released
from slipway.workload.dependencies import Python, prepare


async def gate(  # noqa: PLR0913 -- one for each flag
    source: Path,
    *,
    config: str | None,
    since: str | None,
    python: Path | None,
    server: NamedServer | None,
    statements: Path | None = None,
    layers: tuple[Layer, ...] = tuple(Layer),
    progress: Callable[[str], None] | None = None,
) -> Proof:
    """Return the proof of a work tree; raises SlipwayError if nothing can be executed.

    If `since` is a git ref, the release there is the previous one; `statements` are what its tests recorded.
    """
    at, known = await _workplace(source, config, since, python, server)
    previous = Previous(name="")
    if known and known.commit:
        previous = await previous_at(at.folder, known.commit, known.name, server)
    if statements:
        previous = recorded_in(statements, previous)
    return await prove(at, since=known, previous=previous if previous.name else None, layers=layers, progress=progress)


async def revisions(
    source: Path, *, config: str | None, since: str | None, python: Path | None, server: NamedServer | None
) -> Listing:
    """Return the revisions that `gate` would prove, without executing them; raises SlipwayError."""
    at, known = await _workplace(source, config, since, python, server)
    return await enumerate_revisions(at, known)


async def _workplace(
    source: Path, config: str | None, since: str | None, python: Path | None, server: NamedServer | None
) -> tuple[Workplace, Since | None]:
    """Return the folder with its environment and settings, and the revisions already released."""
    folder = folder_of(source)
    _check_temporary_folder()
    migrations = migrations_of(folder)
    known = await anyio.to_thread.run_sync(since_of, folder, since) if since else None
    interpreter = await anyio.to_thread.run_sync(python_of, folder, python)
    migrations = replace(migrations, config=config or migrations.config)
    return Workplace(folder=folder, python=interpreter, migrations=migrations, server=server), known


def folder_of(source: Path) -> Path:
    """Return the service's folder; raises BadInputError if it does not exist."""
    if not source.is_dir():
        raise BadInputError(f"there is no folder {source}", "name the service's folder with --source")
    return source.resolve()


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
        if not (named / "bin/python").exists():
            raise BadInputError(f"{named} is no virtual environment", "name the folder that holds bin/python")
        return Python(named.resolve())
    if (folder / ".venv/bin/python").exists():
        return Python(folder / ".venv")
    return prepare(folder, cache())
