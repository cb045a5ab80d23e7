"""Changes to a service's files, made by its own tools in containers, for the caller to apply."""

import posixpath
import re
import uuid

import dagger
from dagger import dag

from slipway.errors import BadInputError, RefusedError
from slipway.graph import bases, checks, postgres
from slipway.graph.folder import Folder
from slipway.graph.image import HOME, Source, development, relocked, with_variables
from slipway.graph.running import START, migrating
from slipway.settings import Settings

_BY_PRODUCTS = [".git", "**/__pycache__", "**/.*_cache"]
_OPERATION = re.compile(r"^\s+(?:op|batch_op)\.", re.MULTILINE)


async def rewritten(
    source: Source, settings: Settings, place: str, name: str, command: tuple[str, ...]
) -> dagger.Changeset:
    """Run a command of [tool.slipway.checks] on the files of the checks, and print its output.

    Raises RefusedError when it fails without a change; a tool may fail after changes, because of what it cannot mend.
    """
    before = development(source, settings)
    if not command:
        print(checks.nothing_done(name), end="")  # noqa: T201
        return _changes(before, before, place)
    done = before.with_exec([*command], expect=dagger.ReturnType.ANY)
    result = await checks.result_of(done, name, command)
    print(result.output, end="")  # noqa: T201
    changeset = _changes(before, done, place)
    if result.exit_code and await changeset.is_empty():
        raise RefusedError(f"{name} changed nothing", result.why_not)
    return changeset


async def locked(source: Source, settings: Settings, place: str, *, upgrade: bool) -> dagger.Changeset:
    """Update uv.lock; of a workspace's member, that of the workspace."""
    if source.lock_name != "uv.lock":
        raise BadInputError(f"{source.lock_name} is no lock of uv", "run `uv lock`")
    above = posixpath.relpath(".", source.member.path) if source.member else "."
    where = posixpath.normpath(posixpath.join(place, above))
    if where.startswith(".."):
        raise BadInputError("the lock is the workspace's, above the current folder", "call from its root, with --path")
    path = posixpath.join(where, "uv.lock")
    before = dag.directory().with_file(path, source.lock)
    return before.with_file(path, relocked(source, settings, upgrade=upgrade)).changes(before)


async def revision(
    source: Source, settings: Settings, place: str, message: str
) -> tuple[dagger.Changeset, Source | None]:
    """Generate a revision from the models, on a Postgres at the head; raises RefusedError with alembic's last lines.

    Returns the source with the revision, or None when models and migrations agree.
    """
    server = postgres.service(bases.postgres(settings.images, settings.migrations), f"revision-{uuid.uuid4().hex}")
    bound = development(source, settings).with_service_binding(postgres.HOST, server)
    before = migrating(with_variables(bound, settings.migrations.told(postgres.url())))
    arguments = settings.migrations.alembic
    command = ("alembic", *arguments, "revision", "--autogenerate", f"--message={message}")
    done = before.with_exec(["python", START, *arguments, "--", *command], expect=dagger.ReturnType.ANY)
    result = await checks.result_of(done, "revision", command)
    if result.exit_code:
        raise RefusedError("the revision cannot be generated", result.why_not)
    written = [path for path in await _changes(before, done, ".").added_paths() if path.endswith(".py")]
    files = {path: done.file(f"{HOME}/{path}") for path in written}
    if not any([_OPERATION.search(await file.contents()) for file in files.values()]):
        return _changes(before, before, place), None
    added = source.files
    for path, file in files.items():
        added = added.with_file(path, file)
    return _changes(before, done, place), source.with_files(added)


def _changes(before: dagger.Container, after: dagger.Container, place: str) -> dagger.Changeset:
    """Return the changes in the service's folder, which is at `place` below the caller's."""
    empty = dag.directory()
    old, new = (empty.with_directory(place, each.directory(HOME), exclude=_BY_PRODUCTS) for each in (before, after))
    return new.changes(old)


async def place_of(folder: Folder, path: str) -> str:
    """Return the way down from the caller's folder to the service's: Dagger applies changes in the caller's, and below.

    Raises BadInputError when there is none.
    """
    place = posixpath.normpath(path).removeprefix("/") or "."
    here = Folder(folder.tree, place)
    below = not place.startswith("..") and await here.above("pyproject.toml") == folder
    if below and (place != "." or await here.some(include=["pyproject.toml"]).entries()):
        return place
    raise BadInputError(
        f"the changes are in {folder}, which is not the current folder or below it", f"call from {folder}"
    )
