"""previous: what the release before this one says to the database, told in its own environment, made from its own lock."""

import io
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

import anyio.to_thread

from slipway import settings
from slipway.errors import SlipwayError
from slipway.local.migrations import migrations_of
from slipway.local.prove import tell_models
from slipway.local.server import NamedServer
from slipway.postgres.datadir import cache
from slipway.records.form import from_json, text_of
from slipway.records.previous import Previous
from slipway.source.commit import git
from slipway.workload.dependencies import prepare


async def previous_at(folder: Path, commit: str, name: str, server: NamedServer | None) -> Previous:
    """The release that stands at a commit: its models. Where they cannot be had, why not."""
    with tempfile.TemporaryDirectory(prefix="slipway-previous-") as unpacked:
        there = Path(unpacked)
        try:
            await anyio.to_thread.run_sync(_unpack, folder, commit, there)
            python = await anyio.to_thread.run_sync(prepare, there, cache())
            told = await tell_models(there, python, migrations_of(there), name, server)
            return starting(told, (there / "pyproject.toml").read_text(encoding="utf-8"))
        except SlipwayError as error:
            return Previous(name=name, refusal=str(error))


def recorded_in(file: Path, previous: Previous) -> Previous:
    """The same release, with what its tests said; raises BadInputError."""
    return having_said(previous, text_of(file, "the recorded statements"), str(file))


def having_said(previous: Previous, text: str, origin: str) -> Previous:
    """The same release, with the recorded statements of a text; raises BadInputError."""
    told = from_json(Previous, text, origin)
    return replace(previous, name=previous.name or told.name, recorded=told.recorded)


def starting(previous: Previous, pyproject: str) -> Previous:
    """The same release, with its start command when that runs alembic."""
    try:
        command = " ".join(settings.parse(pyproject).command)
    except SlipwayError:  # it was no service of slipway's yet
        return previous
    return replace(previous, start=command if "alembic" in command else "")


def _unpack(folder: Path, commit: str, into: Path) -> None:
    packed = git(folder, ["archive", "--format=tar", commit, "."])
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into, filter="data")
