"""The previous release: its models, read in an environment from its own lock, and its recorded statements."""

import io
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

import anyio.to_thread

from slipway import settings
from slipway.errors import SlipwayError
from slipway.local.prove import NamedServer, Workplace, migrations_of, read_models
from slipway.postgres.datadir import cache
from slipway.records.form import from_json, text_of
from slipway.records.gate import Previous
from slipway.source.commit import git
from slipway.workload.dependencies import prepare


async def previous_at(folder: Path, commit: str, name: str, server: NamedServer | None) -> Previous:
    """Return the models of the release at a commit, or the reason why they cannot be read."""
    with tempfile.TemporaryDirectory(prefix="slipway-previous-") as unpacked:
        tree = Path(unpacked)
        try:
            await anyio.to_thread.run_sync(_unpack, folder, commit, tree)
            python = await anyio.to_thread.run_sync(prepare, tree, cache())
            at = Workplace(folder=tree, python=python, migrations=migrations_of(tree), server=server)
            return starting(await read_models(at, name), (tree / "pyproject.toml").read_text(encoding="utf-8"))
        except SlipwayError as error:
            return Previous(name=name, refusal=str(error))


def recorded_in(file: Path, previous: Previous) -> Previous:
    """Add the statements recorded in a file; raises BadInputError."""
    return with_recorded(previous, text_of(file, "the recorded statements"), str(file))


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


def _unpack(folder: Path, commit: str, into: Path) -> None:
    packed = git(folder, ["archive", "--format=tar", commit, "."])
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into, filter="data")
