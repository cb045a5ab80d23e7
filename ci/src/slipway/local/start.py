"""The gate's process, started in the service's environment before this process has imported what asks it: its own imports take longer."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from slipway.errors import BadInputError, Obstacles
from slipway.local.inside import Inside, started
from slipway.records.progress import Progress
from slipway.source.commit import folder_of
from slipway.workload.python import Python, check_environment, named_environment, workspace_of


@dataclass(frozen=True)
class Place:
    """A service's folder: its virtual environment or the obstacles found there, and the gate's process if it was started."""

    folder: Path
    python: Python | None
    obstacles: Obstacles
    process: Inside | None = None


@asynccontextmanager
async def gate_started(source: Path, named: Path | None, progress: Progress) -> AsyncIterator[Place]:
    """Start the gate in the service's environment, if there is one, for the block; raises BadInputError."""
    place = await place_of(source, named, progress)
    start = started("slipway.gate", [], place.folder, place.python) if place.python else nullcontext()
    async with start as process:
        yield Place(place.folder, place.python, place.obstacles, process)


async def place_of(source: Path, named: Path | None, progress: Progress) -> Place:
    """Find the service's environment, the `named` one or its own; raises BadInputError if the folder does not exist."""
    folder, obstacles = folder_of(source), Obstacles()
    _check_temporary_folder()
    python = None
    with obstacles.noted():
        found = await anyio.to_thread.run_sync(_python_of, folder, named, progress)
        check_environment(found)
        python = found
    return Place(folder, python, obstacles)


def _check_temporary_folder() -> None:
    """Raise BadInputError if no temporary file can be written."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise BadInputError(
            "there is no folder where temporary files can be written", "name one in the variable TMPDIR"
        ) from error


def _python_of(folder: Path, named: Path | None, progress: Progress) -> Python:
    """Return the service's own Python: the named environment, its .venv, or one made from its lock. Raises BadInputError."""
    if named is not None:
        return named_environment(named)
    for project in filter(None, (folder, workspace_of(folder))):
        if (project / ".venv/bin/python").exists():
            return Python(project / ".venv")
    from slipway.finder.apart import apart, obstacle
    from slipway.finder.tree import tree_at
    from slipway.local.services import no_service, services_below
    from slipway.postgres.datadir import cache
    from slipway.workload.dependencies import prepare

    if services := [each.value for each in apart(tree_at(folder))]:
        found = obstacle(services)
        below = services_below(folder)
        raise no_service(folder, below) if below else BadInputError(found.what, found.next_step)
    return prepare(folder, cache(), in_place=True, tell=progress.stage)
