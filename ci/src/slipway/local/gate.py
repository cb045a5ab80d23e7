"""Run the gate on the migrations in a folder, with its settings or without any, and with the previous release in git."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio.to_thread

from slipway.errors import BadInputError, Obstacles, SlipwayError
from slipway.finder.tree import repository_of
from slipway.local.cache import prune_daily
from slipway.local.prove import (
    GateOptions,
    Workplace,
    enumerate_revisions,
    has_alembic,
    migrations_of,
    prove,
    snapshot,
)
from slipway.local.services import calls_of
from slipway.local.start import Place, gate_started, place_of
from slipway.records.form import text_of
from slipway.records.gate import MAJORS, Listing, Previous, Since
from slipway.records.proof import PREPARATION, START, Layer, Proof
from slipway.records.refusal import Refusal
from slipway.settings import Migrations
from slipway.source.released import changed_files, released, unreleased
from slipway.workload.python import READY

_MODELS_DEPEND_ON: Final = re.compile(r"\.(?:py|lock|txt|sql|ini|cfg)$")


async def gate(
    options: GateOptions,
    *,
    place: Place | None = None,
    statements: Path | None = None,
    layers: tuple[Layer, ...] = tuple(Layer),
) -> Proof:
    """Return the proof of a work tree. Raise SlipwayError when nothing can be executed.

    - place: the folder with the gate's process, when the caller has already started the process.
    - statements: the text with the statements that the previous release's tests recorded.
    """
    began = time.monotonic()
    start = nullcontext(place) if place else gate_started(options.source, options.python, options.progress)
    # The gate's imports take longer than reading git and the service's files, so the gate starts first.
    async with start as found:
        await anyio.to_thread.run_sync(prune_daily)
        at, known = await anyio.to_thread.run_sync(_looked_at, found, options)
        asked = await _previous(at, known, options, layers)
        if statements:
            from slipway.local.previous import with_recorded

            text = text_of(statements, "the recorded statements")
            asked = with_recorded(asked or Previous(name=""), text, str(statements))
        prepared = time.monotonic() - began
        try:
            proof = await prove(at, since=known, previous=asked, layers=layers, process=found.process)
        except SlipwayError as error:
            from slipway.local.obstacles import with_its_causes
            from slipway.local.variables import missing_with

            missing = await missing_with(error, at)
            causes = partial(with_its_causes, error, at.folder, at.migrations, at.python, missing=missing)
            raise await anyio.to_thread.run_sync(causes) from error
    made = () if options.python or at.python.folder.name == ".venv" else await anyio.to_thread.run_sync(_notes, at)
    coverage = replace(
        proof.coverage,
        gaps=(*proof.coverage.gaps, *made, *_of_another_major(at, proof.postgres)),
        chosen=proof.coverage.chosen + _advice(at, known, proof),
    )
    path = at.folder.relative_to(repository_of(at.folder)).as_posix()
    seconds = {PREPARATION: prepared, **proof.seconds}
    seconds[START] = max(0, time.monotonic() - began - sum(seconds.values()))
    rounded = {name: round(value, 3) for name, value in seconds.items()}
    return replace(proof, coverage=coverage, folder="" if path == "." else path, seconds=rounded)


async def _previous(
    at: Workplace, known: Since | None, options: GateOptions, layers: tuple[Layer, ...]
) -> Previous | None:
    """Return the previous release, with which new revisions are compared.

    Return None when it is unknown, or when no model can differ.
    """
    if known is None or known.commit is None or Layer.PREVIOUS not in layers:
        return None
    if not await anyio.to_thread.run_sync(_differs, at, known):
        return None
    from slipway.local.previous import previous_at

    return await previous_at(at, known.commit, known.by_default or known.name or known.commit[:12], options.alembic)


def _differs(at: Workplace, known: Since) -> bool:
    """Return whether a changed file may have changed the models.

    Reading the previous models then takes a virtual environment of their own.
    """
    repository = repository_of(at.folder)
    baseline = os.path.relpath(at.folder / at.migrations.baseline, repository) if at.migrations.baseline else ""
    changed = (name for name in changed_files(repository, str(known.commit)) if name != baseline)
    return any(map(_MODELS_DEPEND_ON.search, changed))


def _advice(at: Workplace, known: Since | None, proof: Proof) -> str:
    """Return the advice to set start-after, for errors in several revisions that count as new only because the newest tag is old; otherwise empty."""
    if known is None or not known.name or known.by_default != known.name:
        return ""
    red = {revision for finding in proof.failures for revision in finding.revisions}
    if len(red) < 2 or at.migrations.start_after is not None:
        return ""
    named = "[tool.slipway.migrations] may have" if at.tree.settings_file() else "`slipway init --yes` writes"
    return f"; if {known.name} is older than production, {named} start-after, and revisions up to it are only run"


def _of_another_major(at: Workplace, ran_on: str) -> Iterator[str]:
    """Yield a note when the server's major is not production's."""
    wanted = at.migrations.major
    if not wanted or ran_on.partition(".")[0] == str(wanted):
        return
    from slipway.finder.database import origin_of_major

    ran, which = f"the revisions ran on PostgreSQL {ran_on}", f"{wanted}, which {origin_of_major(at.tree)}"
    if not at.server and wanted not in MAJORS:
        yield f"{ran}: the gate supports {MAJORS[0]} to {MAJORS[-1]}, not {which}"
    elif not at.server:
        yield f"{ran}: this machine has no PostgreSQL {which}, or it lacks an extension"
    elif at.migrations.postgres != Migrations().postgres:
        yield f"{ran} of --database-url, not on {which}"


async def revisions(options: GateOptions) -> Listing:
    """Return the revisions that `gate` would run, without executing them.

    Raise SlipwayError when they cannot be read.
    """
    at, known = await _workplace(options)
    return await enumerate_revisions(at, known)


async def obstacles(options: GateOptions) -> tuple[SlipwayError, ...]:
    """Return everything that keeps the gate from starting."""
    try:
        await _workplace(options)
    except SlipwayError as error:
        return error.obstacles
    return ()


async def baseline(options: GateOptions) -> str:
    """Return the text of a baseline: the schema of the models, with all revisions counted as run.

    Raise SlipwayError when it cannot be made.
    """
    at, _ = await _workplace(options)
    return await snapshot(at)


async def _workplace(options: GateOptions) -> tuple[Workplace, Since | None]:
    """Return the folder with its virtual environment and settings, and the revisions already released.

    Raise all obstacles at once.
    """
    place = await place_of(options.source, options.python, options.progress)
    return await anyio.to_thread.run_sync(_looked_at, place, options)


def _looked_at(place: Place, options: GateOptions) -> tuple[Workplace, Since | None]:
    folder, obstacles, migrations = place.folder, Obstacles(), Migrations()
    with obstacles.noted():
        migrations = options.alembic.over(options.migrations or migrations_of(folder))
        if options.everything:
            migrations = replace(migrations, start_after=None)
        with obstacles.noted():
            check_config(folder, migrations)
        known = _released(folder, options, migrations.start_after)
    obstacles.found += place.obstacles.found
    if obstacles.found:  # the gate, which would find the other obstacles later, does not start
        from slipway.local.obstacles import look_further

        look_further(obstacles, folder, migrations, needs_server=options.server is None)
    obstacles.refuse()
    assert place.python is not None
    calls, called_by = calls_of(folder)
    workplace = Workplace(
        folder=folder,
        python=place.python,
        migrations=migrations,
        server=options.server,
        progress=options.progress,
        calls=calls,
        called_by=called_by,
    )
    return workplace, known


def _released(folder: Path, options: GateOptions, start_after: str | None) -> Since | None:
    """Return the state whose revisions count as old.

    Return None when every revision is new, or those after `start_after`.
    """
    if options.since:
        return since_of(folder, options.since)
    if options.everything:
        return None
    try:
        return unreleased(folder, start_after)
    except BadInputError:
        if start_after:
            return None
        raise


def check_config(folder: Path, migrations: Migrations) -> None:
    """Raise BadInputError when alembic's settings file is missing, before a virtual environment is made in vain."""
    if not has_alembic(folder, migrations):
        from slipway.local.obstacles import missing_config

        raise missing_config(folder, migrations)


def since_of(folder: Path, name: str) -> Since:
    """Resolve a git ref.

    When git has no such ref, return the name with git's error: it may be a revision, which only the gate knows.
    """
    try:
        return released(folder, name)
    except BadInputError as error:
        return Since(name=name, refusal=Refusal.of(error))


def _notes(at: Workplace) -> tuple[str, ...]:
    """Return the notes of the report about the virtual environment that slipway made for a service."""
    from slipway.workload.dependencies import notes

    made = at.python.folder / READY
    return (*notes(at.tree), *(made.read_text(encoding="utf-8").splitlines() if made.is_file() else ()))
