"""The gate's process, started in the service's environment before this process has imported what asks it, even anyio: its own imports take longer."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway.errors import BadInputError, Obstacles, SlipwayError
from slipway.local.inside import Inside, launched, stopped_afterwards
from slipway.records.progress import Progress
from slipway.source.commit import folder_of
from slipway.workload.python import Python, check_environment, named_environment, workspace_of


@dataclass(frozen=True)
class Place:
    """A service's folder, its virtual environment or the obstacles to one, and the gate's process if it was started."""

    folder: Path
    python: Python | None
    obstacles: Obstacles
    process: Inside | None = None


_ahead: Final = dict[tuple[Path, Python], Inside]()  # the processes that wait for `gate_started`


@contextmanager
def gate_ahead(source: Path, named: Path | None) -> Iterator[None]:
    """Launch the gate that `gate_started` asks for in the block, if its environment exists already; obstacles are reported there."""
    own = None
    with suppress(SlipwayError, OSError):
        folder = folder_of(source)
        if python := named_environment(named) if named else _existing(folder):
            own = folder, python
            _ahead[own] = _launched(*own)
    try:
        yield
    finally:
        if own and (unused := _ahead.pop(own, None)):
            unused.stop()


def _launched(folder: Path, python: Python) -> Inside:
    return _ahead.pop((folder, python), None) or launched("slipway.gate", [], folder, python)


@asynccontextmanager
async def gate_started(source: Path, named: Path | None, progress: Progress) -> AsyncIterator[Place]:
    """Start the gate in the service's virtual environment, if the service has one, for the block.

    Raise BadInputError for a missing folder.
    """
    place = await place_of(source, named, progress)
    start = stopped_afterwards(_launched(place.folder, place.python)) if place.python else nullcontext()
    async with start as process:
        yield Place(place.folder, place.python, place.obstacles, process)


async def place_of(source: Path, named: Path | None, progress: Progress) -> Place:
    """Find the service's environment, the `named` one or its own; raises BadInputError if the folder does not exist."""
    from anyio import to_thread

    folder, obstacles = folder_of(source), Obstacles()
    _check_temporary_folder()
    python = None
    with obstacles.noted():
        found = await to_thread.run_sync(_python_of, folder, named, progress)
        check_environment(found)
        python = found
    return Place(folder, python, obstacles)


def _check_temporary_folder() -> None:
    """Raise BadInputError when no temporary file can be written."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise BadInputError(
            "there is no folder where temporary files can be written", "name one in the variable TMPDIR"
        ) from error


def _python_of(folder: Path, named: Path | None, progress: Progress) -> Python:
    """Return the service's own Python: the named virtual environment, its .venv, or one made from its lock.

    Raise BadInputError when there is none.
    """
    if named is not None:
        return named_environment(named)
    if existing := _existing(folder):
        return existing
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


def _existing(folder: Path) -> Python | None:
    """Return the environment in a service's folder or in its workspace."""
    places = (project / ".venv" for project in (folder, workspace_of(folder)) if project)
    return next((Python(place) for place in places if (place / "bin/python").exists()), None)
