"""The previous release in git: its models, which must work with the new schema."""

import hashlib
import os
import tarfile
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio.to_thread

import slipway
from slipway import settings
from slipway.errors import BadInputError, SlipwayError
from slipway.finder.alembic import alembic as alembic_facts
from slipway.finder.start import migrating
from slipway.finder.startup import migrating_call
from slipway.finder.tree import repository_of, tree_at
from slipway.local.prove import AlembicOptions, Workplace, read_models
from slipway.postgres.datadir import cache
from slipway.records.form import from_json, text_of, to_json
from slipway.records.gate import Previous
from slipway.settings import Migrations
from slipway.source.commit import archive_at
from slipway.workload.dependencies import prepare, shared
from slipway.workload.inherited import inherited
from slipway.workload.python import sources_of, workspace_of

_RETRIED_SECONDS: Final = 86_400  # this machine or the network may have been the reason


async def previous_at(today: Workplace, commit: str, name: str, alembic: AlembicOptions) -> Previous:
    """Return the models of the release at a commit, or the reason why they cannot be read.

    The release's own virtual environment reads them, and the result is cached. When this environment cannot be made, or
    lacks a package that env.py imports, the current one reads the models, and the gate reports this. The failure is
    remembered for a day.
    """
    kept = cache() / f"previous-{_key(today, commit, alembic)}" / "previous.json"
    with suppress(OSError, BadInputError):
        known = from_json(Previous, await anyio.to_thread.run_sync(text_of, kept, "the models"), str(kept))
        os.utime(kept.parent)  # pruning goes by the time of the last use
        return replace(known, name=name)
    today.progress.stage(f"reading the models of {name}")
    read = await _read_at(today, commit, name, alembic, kept.with_name("failure.txt"))
    if not (read.refusal or read.caveat):
        await anyio.to_thread.run_sync(_keep, to_json(read), kept)
    return read


def _key(today: Workplace, commit: str, alembic: AlembicOptions) -> str:
    """Return a hash of everything on which the models of a commit depend.

    This includes our own code, and the current settings, which are used when the commit has none.
    """
    rooms = (Path(slipway.__file__).parent / room for room in ("finder", "gate", "migration", "records"))
    newest = max(file.stat().st_mtime_ns for room in rooms for file in room.rglob("*.py"))
    path = today.folder.relative_to(repository_of(today.folder)).as_posix()
    inputs = (newest, commit, path, today.migrations, alembic, sorted(inherited(os.environ).items()))
    return hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]


def _keep(text: str, file: Path) -> None:
    """Store a release's models, or the reason of a failure, in the cache atomically. Ignore errors of the cache."""
    with suppress(OSError):
        file.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix="making-", dir=file.parent.parent, ignore_cleanup_errors=True) as made:
            folder = Path(made, "made")
            folder.mkdir()
            (folder / file.name).write_text(text, encoding="utf-8")
            with suppress(FileNotFoundError):  # there is an entry only when it could not be read
                file.parent.rename(Path(made, "before"))
            folder.rename(file.parent)


def _remembered(failure: Path) -> str | None:
    """Return why the release's environment failed less than a day ago: making it again in every run may take minutes."""
    with suppress(OSError, UnicodeDecodeError):
        found = failure.stat().st_mtime
        if time.time() - found < _RETRIED_SECONDS:
            at = datetime.fromtimestamp(found, timezone.utc)
            retry = f"tried again a day later, or once you remove {failure.parent}"
            return f"{failure.read_text(encoding='utf-8')} (found at {at:%Y-%m-%d %H:%M} UTC; {retry})"
    return None


async def _read_at(today: Workplace, commit: str, name: str, alembic: AlembicOptions, failure: Path) -> Previous:
    with tempfile.TemporaryDirectory(prefix="slipway-previous-") as unpacked:
        tree = Path(unpacked)
        try:
            folder = await anyio.to_thread.run_sync(_unpack, today.folder, commit, tree)
            at = replace(today, folder=folder, migrations=alembic.over(_settings_at(folder, today)))
            view = tree_at(folder)
            if not (folder / (at.migrations.config)).is_file() and not any(alembic_facts(view)):
                return Previous(name=name, refusal="it has no migrations yet")
            command = _command_at(folder)
            start = migrating(view, command) or ": ".join(migrating_call(view, command) or ())
            return replace(await _models_of(at, name, today, failure), start=start)
        except SlipwayError as error:
            return Previous(name=name, refusal=str(error))


def _settings_at(tree: Path, today: Workplace) -> Migrations:
    """Return the settings of a release; the current settings when the release did not use slipway yet."""
    try:
        return settings.load(tree, named=False).migrations
    except SlipwayError:
        return today.migrations


async def _models_in(at: Workplace, name: str, *, everything: bool) -> Previous:
    """Return the models of a release, read in the release's own virtual environment. Raise SlipwayError when they cannot be read.

    With `everything` the environment has all extras and groups.
    """
    made = partial(prepare, at.folder, cache(), everything=everything, tell=at.progress.stage)
    own = await anyio.to_thread.run_sync(made)
    return await read_models(replace(at, python=own), name)


async def _models_in_todays(at: Workplace, name: str, today: Workplace) -> Previous:
    """Return the models of a release that needs the same packages as today. Raise SlipwayError for a release that needs other ones."""
    python = await anyio.to_thread.run_sync(shared, at.folder, today.folder, today.python)
    if python is None:
        raise BadInputError(f"{name} needs other packages than the working tree", "make an environment for it")
    return await read_models(replace(at, python=python), name, apart_from=today.folder)


async def _models_of(at: Workplace, name: str, today: Workplace, failure: Path) -> Previous:
    reason = await anyio.to_thread.run_sync(_remembered, failure)
    if reason is None:
        with suppress(SlipwayError):
            return await _models_in_todays(at, name, today)
        try:
            return await _models_in(at, name, everything=False)
        except SlipwayError as error:
            with suppress(SlipwayError):
                return await _models_in(at, name, everything=True)
            reason = str(error)
            await anyio.to_thread.run_sync(_keep, reason, failure)
    here = replace(at, python=replace(today.python, site=sources_of(at.folder)))
    with suppress(SlipwayError):
        return replace(await read_models(here, name, apart_from=today.folder), caveat=reason)
    return Previous(name=name, refusal=reason)


def with_recorded(previous: Previous, text: str, origin: str) -> Previous:
    """Add the statements that tests recorded to a release. Raise BadInputError when the text is no recording."""
    recording = from_json(Previous, text, origin)
    return replace(previous, name=previous.name or recording.name, recorded=recording.recorded)


def _command_at(tree: Path) -> tuple[str, ...]:
    """Return the start command in a release's settings; empty when the release did not use slipway yet."""
    try:
        return settings.load(tree, named=False).command
    except SlipwayError:
        return ()


def _unpack(folder: Path, commit: str, into: Path) -> Path:
    """Unpack the service at a commit, together with its uv workspace, and return the service's folder.

    Raise BadInputError when the commit does not have the folder.
    """
    root = workspace_of(folder) or folder
    with archive_at(root, commit) as archive:
        # Python before 3.11.4 and 3.10.12 has no filters. An archive made by git is harmless without them: it has no
        # files below a link.
        filtered: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(into, **filtered)  # noqa: S202 -- ours, see above
    unpacked = into / folder.relative_to(root)
    if not unpacked.is_dir():
        raise BadInputError(f"the commit {commit[:12]} has no folder {folder.relative_to(root)}", "name a later one")
    return unpacked
