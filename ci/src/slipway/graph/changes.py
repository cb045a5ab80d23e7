"""Changes to a service's files by its own tools, made in containers and returned for the caller to apply."""

import posixpath
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping

import dagger
from dagger import dag

from slipway.errors import BadInputError, RefusedError
from slipway.graph import bases, checks, postgres
from slipway.graph.folder import Folder
from slipway.graph.image import HOME, Source, development, relocked, with_variables
from slipway.graph.running import START, migrating
from slipway.graph.workspace import REQUIREMENTS, UV_LOCK, python_of
from slipway.records.proof import Finding
from slipway.settings import FILES, Settings

_BY_PRODUCTS = [".git", "**/__pycache__", "**/.*_cache"]
_OPERATION = re.compile(r"^\s+(?:op|batch_op)\.", re.MULTILINE)


async def rewritten(source: Source, settings: Settings, folder: Folder, path: str, name: str) -> dagger.Changeset:
    """Run the command `name` of [tool.slipway.checks] on the files of the checks, and print its output.

    Raise RefusedError when it fails without changing a file. Some tools change files and then fail because of problems
    that they cannot correct.
    """
    command: tuple[str, ...] = getattr(settings.checks, name)
    if not command:
        print(checks.nothing_done(name), end="")  # noqa: T201
        return _nothing()
    before = development(source, settings)
    done = before.with_exec([*command], expect=dagger.ReturnType.ANY)
    result = await checks.result_of(done, name, command)
    print(result.output, end="")  # noqa: T201
    changeset = await _placed(_home(before), _home(done), folder, path)
    if result.exit_code and await changeset.is_empty():
        raise RefusedError(f"{name} changed nothing", result.why_not)
    return changeset


async def locked(
    folder: Folder, settings: Settings, path: str, secrets: Mapping[str, dagger.Secret], *, upgrade: bool
) -> dagger.Changeset:
    """Update uv.lock, or write the first one. For a member of a workspace, use the workspace's lock."""
    names = await folder.some(include=[UV_LOCK, REQUIREMENTS]).entries()
    if REQUIREMENTS in names and UV_LOCK not in names:
        print(f"nothing was done: the service is locked by {REQUIREMENTS}")  # noqa: T201
        return _nothing()
    root = folder if UV_LOCK in names else await folder.at("..").above(UV_LOCK) or folder
    projects = root.some(include=[UV_LOCK, "pyproject.toml", "**/pyproject.toml"], gitignore=True)
    lock = relocked(projects, await python_of(folder, root, settings), settings, secrets, upgrade=upgrade)
    new = await lock.sync()  # a changeset does not run this by itself, and an error becomes one sentence here
    old = projects.filter(include=[UV_LOCK])
    up = posixpath.relpath(root.path, folder.path)
    return await _placed(old, old.with_file(UV_LOCK, new), root, posixpath.join(path, up))


async def revision(
    source: Source, settings: Settings, place: str, message: str
) -> tuple[dagger.Changeset, Source | None]:
    """Generate a revision from the models, on a Postgres at the head.

    Raise RefusedError with alembic's last lines when it fails.
    Return the source with the revision, or None when models and migrations agree.
    """
    server = postgres.service(bases.postgres(settings.images, settings.migrations), f"revision-{uuid.uuid4().hex}")
    bound = development(source, settings).with_service_binding(postgres.HOST, server)
    before = migrating(with_variables(bound, settings.migrations.database_variables(postgres.url())))
    migrations = settings.migrations
    command = ("alembic", *migrations.alembic, "revision", "--autogenerate", f"--message={message}")
    done = before.with_exec(["python", START, *migrations.own_runner, "--", *command], expect=dagger.ReturnType.ANY)
    result = await checks.result_of(done, "revision", command)
    if result.exit_code:
        raise RefusedError("the revision cannot be generated", result.why_not)
    changes = _changes(_home(before), _home(done), place)
    written = [posixpath.relpath(path, place) for path in await changes.added_paths() if path.endswith(".py")]
    files = {path: done.file(f"{HOME}/{path}") for path in written}
    if not any([_OPERATION.search(await file.contents()) for file in files.values()]):
        return _nothing(), None
    added = source.files
    for path, file in files.items():
        added = added.with_file(path, file)
    return changes, source.with_files(added)


async def advised(changeset: dagger.Changeset, place: str, findings: Iterable[Finding]) -> dagger.Changeset:
    """Write the safe form for each finding as a comment above its line in a generated revision."""
    after, by_file = changeset.after(), defaultdict[str, list[Finding]](list)
    for finding in findings:
        by_file[posixpath.normpath(posixpath.join(place, finding.file or ""))].append(finding)
    for path in set(await changeset.added_paths()) & by_file.keys():
        after = after.with_new_file(path, with_advice(await after.file(path).contents(), by_file[path]))
    return after.changes(changeset.before())


def with_advice(text: str, findings: Iterable[Finding]) -> str:
    """Return a revision's text with the remedies.

    They are added from the last line to the first, so that line numbers stay valid.
    """
    lines = text.splitlines(keepends=True)
    for finding in sorted(findings, key=lambda each: each.line or 1, reverse=True):
        at = (finding.line or 1) - 1
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        comment = (f"{finding.rule}: {finding.message} Instead:", *finding.remedy.splitlines())
        lines[at:at] = [f"{indent}# {line}".rstrip() + "\n" for line in comment]
    return "".join(lines)


def _home(container: dagger.Container) -> dagger.Directory:
    return dag.directory().with_directory(".", container.directory(HOME), exclude=_BY_PRODUCTS)


def _nothing() -> dagger.Changeset:
    return dag.directory().changes(dag.directory())


def _changes(old: dagger.Directory, new: dagger.Directory, place: str) -> dagger.Changeset:
    """Return the changes between two states of a folder, which is at `place` in the caller's folder."""
    before, after = (dag.directory().with_directory(place, each) for each in (old, new))
    return after.changes(before)


async def _placed(old: dagger.Directory, new: dagger.Directory, folder: Folder, path: str) -> dagger.Changeset:
    """Return the changes of a folder for the caller's folder.

    Raise BadInputError when there are changes and the folder is not below the caller's.
    `dagger check` asks from any folder whether there are changes.
    """
    try:
        return await _changes(old, new, await place_of(folder, path)).sync()
    except BadInputError:
        if await new.changes(old).is_empty():
            return _nothing()
        raise


async def place_of(folder: Folder, path: str) -> str:
    """Return the path of the service's folder below the caller's. Dagger applies changes only there.

    Raise BadInputError when it is not below the caller's.
    """
    place = posixpath.normpath(path).removeprefix("/") or "."
    here = Folder(folder.tree, place)
    below = not place.startswith("..") and await here.above(*FILES) == folder
    if below and (place != "." or await here.some(include=FILES).entries()):
        return place
    raise BadInputError(
        f"the changes are in {folder}, which is not the current folder or below it", f"call from {folder}"
    )
