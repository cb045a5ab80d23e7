"""Services in subfolders: each has an alembic history and declares its own dependencies."""

import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from slipway.finder.alembic import histories
from slipway.finder.tree import Tree
from slipway.records.survey import Fact, Obstacle, Subject

# The first group is the folder.
_DECLARES: Final = re.compile(
    r"(?:(.*)/)?(?:setup\.py|setup\.cfg|Pipfile|[\w-]*requirements[\w-]*\.(?:txt|in)|(?:uv|poetry|pdm)\.lock|pylock[\w.-]*\.toml"
    r"|\.venv/pyvenv\.cfg|requirements/[^/]+\.(?:txt|in))"
)


def apart(tree: Tree) -> Iterator[Fact]:
    """Yield the services in subfolders.

    Yield none when the folder itself is a service, or the only project around one.
    """
    if tree.settings_file():
        return
    declaring = frozenset(match[1] or "" for match in map(_DECLARES.fullmatch, tree.names) if match)
    found = {
        project: place
        for place in histories(tree)
        if (project := _project(tree, posixpath.dirname(place), declaring)) is not None
    }
    if "" not in found and (len(found) > 1 or not _declares(tree, "", declaring)):
        yield from (Fact(subject=Subject.SERVICE, value=each, place=found[each]) for each in sorted(found))


def obstacle(services: Sequence[str]) -> Obstacle:
    """Return the obstacle for a folder that is no service itself."""
    if len(services) == 1:
        what = f"this folder declares no dependencies; the service is in {services[0]}"
        return Obstacle(what=what, next_step=f"pass --source {services[0]}")
    what = f"this folder is no service, but has {len(services)}: {', '.join(services)}"
    return Obstacle(what=what, next_step=f"pass the folder of one with --source, such as --source {services[0]}")


def _project(tree: Tree, folder: str, declaring: Collection[str]) -> str | None:
    """Return the nearest folder with declared dependencies, from `folder` up to the top of the tree."""
    while not _declares(tree, folder, declaring):
        if not folder:
            return None
        folder = posixpath.dirname(folder)
    return folder


def _declares(tree: Tree, folder: str, declaring: Collection[str]) -> bool:
    """Return whether a folder is one of those with a file that declares dependencies, or its settings do."""
    pyproject = f"{folder}/pyproject.toml" if folder else "pyproject.toml"
    tables = (("project",), ("tool", "poetry"))
    return (
        folder in declaring or any(tree.table(pyproject, *keys) for keys in tables) or bool(tree.settings_file(folder))
    )
