"""Read the caller's repository: the settings first, then exactly the files that they name."""

import posixpath
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import anyio
import dagger

from slipway import settings
from slipway.errors import BadInputError
from slipway.graph import bases
from slipway.graph.folder import Folder, next_step_to_a_service
from slipway.graph.image import Member, Source
from slipway.settings import FILES, MissingTableError, Settings
from slipway.workload.python import is_package

UV_LOCK = "uv.lock"
REQUIREMENTS = "requirements.txt"
_LOCKS = (UV_LOCK, REQUIREMENTS)
_DEVELOPMENT = "requirements-dev.txt"
_VERSION = ".python-version"
_DECLARATIONS = (
    *FILES,
    *_LOCKS,
    _DEVELOPMENT,
    _VERSION,
)  # read together, because the engine asks the CLI for each set of files
_LOCAL = ("editable", "directory", "virtual")  # kinds of packages that uv takes from the repository


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The files in which a folder declares a service and its packages, with the texts of those that are read."""

    folder: Folder
    files: dagger.Directory
    texts: Mapping[str, str]
    names: frozenset[str]

    def text(self, name: str) -> str:
        """Return the text of a file; empty when the file is missing or not read."""
        return self.texts.get(name, "")


async def declared_in(folder: Folder) -> Declared:
    """Read the declarations as a directory of their own. A layer with them is cached until one changes."""
    files = folder.some(include=_DECLARATIONS)
    names, texts = frozenset(await files.entries()), dict[str, str]()

    async def read(name: str) -> None:
        texts[name] = await files.file(name).contents()

    async with anyio.create_task_group() as tasks:
        for name in names & {*FILES, _VERSION}:
            tasks.start_soon(read, name)
    return Declared(folder=folder, files=files, names=names, texts=texts)


async def settings_of(declared: Declared, *, needed: bool = True) -> Settings:
    """Return the service's settings. Raise SettingsError when they cannot be used.

    Unless they are `needed`, a repository without settings gets defaults, whose name and command mean nothing.
    """
    folder, file = declared.folder, next((name for name in FILES if name in declared.names), None)
    if file is None:
        raise BadInputError(f"{folder} has neither {' nor '.join(FILES)}", "name the service's folder")
    path = posixpath.join(folder.path, file).removeprefix("/")
    settings.check_only_table({name: declared.text(name) for name in FILES})
    try:
        return settings.parse(declared.text(file), path, named=needed)
    except MissingTableError as error:
        if next_step := await next_step_to_a_service(folder.tree):
            raise BadInputError(error.what, next_step) from error
        if needed:
            raise
        return Settings(name="service", command=("service",))


async def source_of(declared: Declared, service: Settings, secrets: Mapping[str, dagger.Secret]) -> Source:
    """Collect the files for the image. Raise BadInputError when there is neither a lock nor a Dockerfile."""
    folder = declared.folder
    sources, step = () if service.images.dockerfile else service.sources, service.build
    files = files_of(folder, sources)
    read = files_of(folder, step.sources) if step else None
    async with anyio.create_task_group() as tasks:  # each question takes a round trip
        tasks.start_soon(check_sources, folder, files, sources, "[tool.slipway]")
        if step and read:
            tasks.start_soon(check_sources, folder, read, step.sources, "[tool.slipway.build]")
    lock = next((name for name in _LOCKS if name in declared.names), None)
    alone = lock is not None or service.images.dockerfile is not None
    root = folder if alone else await _root_of(folder)
    return Source(
        pyproject=declared.files.file("pyproject.toml"),
        lock=root.file(UV_LOCK) if lock is None else declared.files.file(lock),
        lock_name=lock or ("" if alone else UV_LOCK),
        files=files,
        package=is_package(declared.text("pyproject.toml")),
        python=await _python_of(declared, root, service),
        step=read,
        development=declared.files.file(_DEVELOPMENT) if _DEVELOPMENT in declared.names else None,
        member=None if root is folder else await _member(folder, root),
        secrets={name: secret for name, secret in secrets.items() if name in service.images.secrets},
        folder=folder.path.removeprefix("/"),
    )


async def _root_of(folder: Folder) -> Folder:
    """Return the root of the uv workspace around a folder without a lock. Raise BadInputError when there is none."""
    root = await folder.at("..").above(UV_LOCK)
    if root is None:
        raise BadInputError(f"{folder} has none of {', '.join(_LOCKS)}", "run `uv lock` there and commit uv.lock")
    return root


async def python_of(folder: Folder, root: Folder, service: Settings) -> str:
    """Return the service's minor version of Python, from its own .python-version or its workspace's.

    Return "" when the settings name an image.
    """
    return await _python_of(await declared_in(folder), root, service)


async def _python_of(declared: Declared, root: Folder, service: Settings) -> str:
    if service.images.python:
        return ""
    version = declared.text(_VERSION)
    if not version and root != declared.folder:
        version = (await declared_in(root)).text(_VERSION)
    return bases.python_version(declared.text("pyproject.toml"), version)


async def _member(folder: Folder, root: Folder) -> Member:
    """Read a member's needs from the workspace's lock. Raise BadInputError when the lock does not list it."""
    try:
        lock = tomllib.loads(await root.file(UV_LOCK).contents())
        packages = {package["name"]: package for package in lock["package"]}
        places = {
            name: package["source"][kind]
            for name, package in packages.items()
            for kind in _LOCAL
            if kind in package["source"]
        }
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise BadInputError(f"the uv.lock of {root} is not one that uv wrote", "write it with `uv lock`") from error
    path = posixpath.relpath(folder.path, root.path)
    own = next((name for name, place in places.items() if place == path), None)
    if own is None:
        raise BadInputError(
            f"{folder} has none of {', '.join(_LOCKS)}, and the uv.lock of {root} does not list it",
            "add it to [tool.uv.workspace] members there and run `uv lock`, or run `uv lock` in it, and commit the lock",
        )
    needed, found = [own], {own}
    for name in needed:
        wanted = {each["name"] for each in packages[name].get("dependencies", ())} & places.keys()
        needed += sorted(wanted - found)
        found |= wanted
    projects = [UV_LOCK, "pyproject.toml", *(posixpath.join(place, "pyproject.toml") for place in places.values())]
    return Member(
        name=own,
        path=path,
        projects=root.some(include=projects),
        libraries={
            places[name]: files_of(root.at(places[name]), ())
            for name in needed[1:]
            if "virtual" not in packages[name]["source"]
        },
    )


async def check_sources(folder: Folder, files: dagger.Directory, sources: Sequence[str], table: str) -> None:
    """Raise BadInputError for a source that `files` lacks, because the image would otherwise fail with another error."""
    exist: dict[str, bool] = {}

    async def look(source: str) -> None:
        exist[source] = await files.exists(source)

    async with anyio.create_task_group() as tasks:
        for source in sources:
            tasks.start_soon(look, source)
    if absent := next((each for each in sources if not exist[each]), None):
        raise BadInputError(
            f"sources of {table} names {absent!r}, which is not in {folder}, or ignored by git", "correct it"
        )


def whole(source: Source) -> dagger.Directory:
    """Return all files of a source, with their paths in the service's folder."""
    files = source.files
    return files if source.member or not source.lock_name else files.with_file(source.lock_name, source.lock)


def files_of(folder: Folder, sources: Sequence[str]) -> dagger.Directory:
    """Return the sources in the settings, by default every file that git does not ignore."""
    if not sources:
        return folder.some(exclude=[".git", ".venv"], gitignore=True)
    wanted = [pattern for source in sources for pattern in (source, f"{source}/**")]
    return folder.some(include=[*wanted, "pyproject.toml"], exclude=["**/__pycache__"], gitignore=True)
