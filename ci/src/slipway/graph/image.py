"""The service's image: a builder with uv, and a runtime into which the finished virtual environment is copied.

The dependency layer depends only on pyproject.toml and the lock. No command runs in the runtime stage. Its user is
numeric, and its files are owned by root. Labels change with every commit, so they come last.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.resources import files

import dagger
from dagger import dag

from slipway.errors import BadInputError, ObstaclesError
from slipway.graph import bases, dockerfile
from slipway.graph.build_secrets import check_given, with_secrets, without_secrets
from slipway.records.image import LONG_AGO
from slipway.settings import Settings

USER = "65532:65532"  # no base image has an account with this number
HOME = "/app"
_VENV = "/opt/venv"  # outside of the sources, because the checks' tools read these completely
_PYTHON = f"{_VENV}/bin/python"
_SITE = "/opt/site"
_WORKSPACE = "/opt/workspace"  # for a uv workspace
# Directory.withTimestamps fails for links that lead out of the directory, such as those to the interpreter.
_SAME_TIMES = ("-exec", "touch", "--no-dereference", f"--date=@{LONG_AGO}", "{}", "+")
_BARE = "/opt/bare"
_SBOM = "/tmp/sbom.json"  # noqa: S108 -- inside a container
_UV = {
    "UV_PROJECT_ENVIRONMENT": _VENV,
    "VIRTUAL_ENV": _VENV,
    "UV_LINK_MODE": "copy",
    "UV_COMPILE_BYTECODE": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_NO_INSTALLER_METADATA": "1",
    # The engine adds custom certificates to the system's. Older versions of uv know only the first name.
    "UV_NATIVE_TLS": "1",
    "UV_SYSTEM_CERTS": "1",
    # Bytecode contains the hash of its source instead of a time, so two builds of one lock are equal.
    "PYC_INVALIDATION_MODE": "CHECKED_HASH",
}
_RUNTIME = {
    "PATH": f"{_VENV}/bin:/usr/local/bin:/usr/bin:/bin",
    "VIRTUAL_ENV": _VENV,
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


_REVISION = re.compile(r"(?!-)(?!.*(?:\.\.|@\{))[^\s~^:?*\[\\\x00-\x1f\x7f]+")  # the rules of `git check-ref-format`


@dataclass(frozen=True)
class Label:
    """The origin of an image. `committed`, in seconds since 1970, is also the time of the application's files."""

    revision: str = "unknown"
    committed: int = LONG_AGO

    def __post_init__(self) -> None:
        if not (self.revision.isprintable() and _REVISION.fullmatch(self.revision)):
            raise BadInputError(
                f"--revision is {self.revision!r:.80}, which git gives to no commit", "pass `git rev-parse HEAD`"
            )

    @property
    def created(self) -> str:
        with suppress(ValueError, OverflowError, OSError):
            if self.committed >= 0:
                return datetime.fromtimestamp(self.committed, UTC).isoformat()
        raise BadInputError(
            f"--committed is {self.committed}, which is no time of a commit", "pass `git log -1 --format=%ct`"
        )


# Logs and package lists contain times and change every day.
_INSTALL_PACKAGES = """
apt-get update --quiet
DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends "$@"
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/*
"""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A service in a uv workspace. Paths are relative to the workspace's root.

    - projects: the lock and every pyproject.toml.
    - libraries: the files of each member that the service needs.
    """

    name: str
    path: str
    projects: dagger.Directory
    libraries: Mapping[str, dagger.Directory]


@dataclass(frozen=True, kw_only=True)
class Source:
    """The inputs of an image: the lock and the sources.

    - package: whether the service itself is installed, too.
    - pyproject: does not exist for a service with slipway.toml alone.
    - python: the minor version.
    - lock_name: empty when a Dockerfile needs no lock.
    - files: the sources; with a Dockerfile, its context. Development dependencies are a group in uv's lock, or a
      `requirements-dev.txt`.
    - secrets: the build secrets, by name.
    - step: the files that the build step reads.
    - folder: the service's folder, relative to the repository's root.
    """

    pyproject: dagger.File
    lock: dagger.File
    lock_name: str
    files: dagger.Directory
    package: bool
    python: str
    development: dagger.File | None = None
    member: Member | None = None
    secrets: Mapping[str, dagger.Secret] = field(default_factory=dict)
    step: dagger.Directory | None = None
    folder: str = ""

    def with_files(self, files: dagger.Directory) -> "Source":
        return replace(self, files=files)

    @property
    def packages(self) -> list[str]:
        """The folders in the builder that are installed as packages."""
        libraries = [f"{_WORKSPACE}/{path}" for path in self.member.libraries] if self.member else []
        return [*libraries, *(["."] if self.package else [])]


def python_in(settings: Settings) -> str:
    """Return the program name of the interpreter in the gate's container."""
    return "python" if settings.images.dockerfile else _PYTHON


async def proving(source: Source, settings: Settings) -> dagger.Container:
    """Return the gate's container: the builder, or the image of the service's own Dockerfile."""
    if settings.images.dockerfile:
        return await dockerfile.proving(source.files, settings, source.secrets)
    return _builder(source, settings)


def _builder(source: Source, settings: Settings) -> dagger.Container:
    """Return a container with the service's dependencies and files."""
    return _filled(_installed(source, settings), source)


def development(source: Source, settings: Settings) -> dagger.Container:
    """Return the builder with development dependencies on the path, for lint, types and tests."""
    installed = _dependencies(source, settings, development=True)
    paths = {name: _RUNTIME[name] for name in ("PATH", "VIRTUAL_ENV")}
    return with_variables(_filled(installed, source), paths).with_directory(f"{HOME}/.git", _repository())


def _repository() -> dagger.Directory:
    """Return the .git of an empty repository.

    Without one, tools ignore .gitignore and look elsewhere for a project's root.
    """
    empty = dag.directory()
    return (
        empty.with_new_file("HEAD", "ref: refs/heads/main\n")
        .with_directory("objects", empty)
        .with_directory("refs", empty)
    )


def _filled(installed: dagger.Container, source: Source) -> dagger.Container:
    filled = installed.with_directory(HOME, source.files)
    if not source.packages:
        return filled
    for path, library in source.member.libraries.items() if source.member else ():
        filled = filled.with_directory(f"{_WORKSPACE}/{path}", library)
    # A member's sources refer to the workspace, which is not here. The lock was already installed.
    unlinked = ["--no-sources"] if source.member else []
    install = ["uv", "pip", "install", "--no-deps", *unlinked, "--target", _SITE, *source.packages]
    return _with_credentials(filled, source, [install]).with_env_variable("PYTHONPATH", _SITE)


async def image(source: Source, settings: Settings, label: Label) -> dagger.Container:
    """Build the deployed image. For the service's own Dockerfile, raise BadInputError with every reason why its image cannot be deployed."""
    if settings.images.dockerfile:
        return _labelled(await dockerfile.image(source.files, settings, source.secrets), settings, label)
    runtime = _runtime(source, settings, label, await built_in_step(source, settings))
    return _labelled(
        runtime.with_user(USER).with_entrypoint([]).with_default_args(list(settings.command)), settings, label
    )


async def built_in_step(source: Source, settings: Settings) -> dagger.Directory:
    """Run the build step and return its results. Raise ObstaclesError with all results that it has not written."""
    results, step = dag.directory(), settings.build
    if step is None or source.step is None:
        return results
    check_given(settings.images, source.secrets)
    container = with_secrets(_empty(settings).from_(step.image), source.secrets).with_workdir(HOME)
    container = container.with_directory(HOME, source.step)
    for command in step.commands:
        container = container.with_exec([*command])
    await container.sync()
    obstacles = []
    for name in step.results:
        path = f"{HOME}/{name}"
        if not await container.exists(path):
            obstacles.append(
                BadInputError(f"the build step wrote no {name}", "correct results or commands in [tool.slipway.build]")
            )
        elif await container.exists(path, expected_type=dagger.ExistsType.DIRECTORY_TYPE):
            results = results.with_directory(name, container.directory(path))
        else:
            results = results.with_file(name, container.file(path))
    if obstacles:
        raise ObstaclesError(obstacles)
    return results


def _runtime(source: Source, settings: Settings, label: Label, results: dagger.Directory) -> dagger.Container:
    """Put the dependencies, with a constant time, and the application, with the commit's time, on the base image."""
    application = source.files.with_directory(".", results) if settings.build else source.files
    if source.packages:
        application = application.with_directory(".site", _builder(source, settings).directory(_SITE))
    return with_variables(
        _base(source, settings)
        .with_directory("/", _installed(source, settings).rootfs().filter(include=[_VENV.removeprefix("/")]))
        .with_directory("/", dag.directory().with_directory(HOME, application).with_timestamps(label.committed))
        .with_workdir(HOME),
        _RUNTIME | ({"PYTHONPATH": f"{HOME}/.site"} if source.packages else {}),
    )


def _labelled(runtime: dagger.Container, settings: Settings, label: Label) -> dagger.Container:
    """Add port, title and origin to a runtime."""
    return (
        runtime.with_exposed_port(settings.port)
        .with_env_variable("GIT_REVISION", label.revision)
        .with_label("org.opencontainers.image.title", settings.name)
        .with_label("org.opencontainers.image.created", label.created)
        .with_label("org.opencontainers.image.revision", label.revision)
        .with_annotation("org.opencontainers.image.created", label.created)
        .with_annotation("org.opencontainers.image.revision", label.revision)
    )


def _base(source: Source, settings: Settings) -> dagger.Container:
    """Return the runtime's base: the Python image, or for distroless only the files that are loaded."""
    if not settings.images.distroless:
        return python_base(source.python, settings)
    script = (files("slipway.graph") / "distroless.py").read_text(encoding="utf-8")
    laid_out = (
        _installed(source, settings)
        .with_new_file("/opt/distroless.py", script)
        .with_exec(["python", "-I", "/opt/distroless.py", _BARE, _VENV])
        .with_exec(["find", _BARE, *_SAME_TIMES])
    )
    bare = _empty(settings).with_directory("/", laid_out.directory(_BARE))
    return with_variables(bare, {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"})


def python_base(version: str, settings: Settings) -> dagger.Container:
    """Return the base of builder and runtime: the Python image with the settings' Debian packages."""
    base = _empty(settings).from_(bases.python(settings.images, version))
    if not settings.images.packages:
        return base
    return base.with_exec(["sh", "-euc", _INSTALL_PACKAGES, "sh", *settings.images.packages])


def _empty(settings: Settings) -> dagger.Container:
    return dag.container(platform=dagger.Platform(settings.images.platform))


def sbom(source: Source, settings: Settings) -> dagger.File:
    """Export the lock as CycloneDX, exactly as uv writes it."""
    if source.lock_name != "uv.lock":
        raise BadInputError(
            f"{source.lock_name or 'the service'} says too little for a bill of materials", "run `uv lock`"
        )
    export = ["uv", "export", "--frozen", "--no-dev", "--format", "cyclonedx1.5", "--output-file", _SBOM]
    which = ["--package", source.member.name] if source.member else []
    return _locked(with_uv(source.python, settings), source).with_exec([*export, *which]).file(_SBOM)


def relocked(
    projects: dagger.Directory,
    python: str,
    settings: Settings,
    secrets: Mapping[str, dagger.Secret],
    *,
    upgrade: bool,
) -> dagger.File:
    """Update the lock for every pyproject.toml.

    With `upgrade`, use the newest allowed versions, which are read again.
    """
    container = with_uv(python, settings).with_directory(_WORKSPACE, projects)
    anew = {"SLIPWAY_CALL": uuid.uuid4().hex} if upgrade else {}
    check_given(settings.images, secrets)
    return (
        with_secrets(with_variables(container, anew), secrets)
        .with_workdir(_WORKSPACE)
        .with_exec(["uv", "lock", *(["--upgrade"] if upgrade else [])])
        .file(f"{_WORKSPACE}/uv.lock")
    )


def _locked(container: dagger.Container, source: Source) -> dagger.Container:
    """Mount the lock and the projects that it locks, and make their folder the working directory."""
    if source.member:
        return container.with_mounted_directory(_WORKSPACE, source.member.projects).with_workdir(_WORKSPACE)
    return container.with_mounted_file(f"{HOME}/pyproject.toml", source.pyproject).with_mounted_file(
        f"{HOME}/uv.lock", source.lock
    )


def _installed(source: Source, settings: Settings) -> dagger.Container:
    """Install only the dependencies.

    All files, including /opt, get the same time, because it is a part of the layer.
    """
    return _dependencies(source, settings, development=False).with_exec(["find", "/opt", *_SAME_TIMES])


def with_uv(python: str, settings: Settings) -> dagger.Container:
    return with_variables(
        python_base(python, settings)
        .with_file("/usr/local/bin/uv", _empty(settings).from_(bases.uv(settings.images)).file("/uv"))
        .with_workdir(HOME)
        .with_mounted_cache("/root/.cache/uv", dag.cache_volume("slipway-uv")),
        _UV,
    )


def _dependencies(source: Source, settings: Settings, *, development: bool) -> dagger.Container:
    """Install the locked dependencies. Only the lock and pyproject.toml are mounted."""
    check_given(settings.images, source.secrets)
    container = with_uv(source.python, settings)
    if source.lock_name == "uv.lock":
        which = ["--no-install-project"]
        if source.member:  # developers' tools may be in any group of the workspace
            which = [
                "--no-install-workspace",
                *(["--all-packages"] if development else ["--package", source.member.name]),
            ]
        without = [] if development else ["--no-dev"]
        sync = ["uv", "sync", "--locked", *which, "--no-editable", *without]
        installed = _with_credentials(_locked(container, source), source, [sync])
        for path in [_WORKSPACE] if source.member else [f"{HOME}/uv.lock", f"{HOME}/pyproject.toml"]:
            installed = installed.without_mount(path)
        return installed.with_workdir(HOME)
    if source.lock_name == "requirements.txt":
        files = {"requirements.txt": source.lock}
        if development and source.development:
            files["requirements-dev.txt"] = source.development
        for name, file in files.items():
            container = container.with_mounted_file(f"{HOME}/{name}", file)
        wanted = [f"--requirement={name}" for name in files]
        installed = _with_credentials(container, source, [["uv", "venv", _VENV], ["uv", "pip", "install", *wanted]])
        for name in files:
            installed = installed.without_mount(f"{HOME}/{name}")
        return installed
    raise BadInputError("there is no lock with the development dependencies", "run `uv lock` and commit uv.lock")


def _with_credentials(
    container: dagger.Container, source: Source, commands: Sequence[Sequence[str]]
) -> dagger.Container:
    """Run uv commands with the build secrets, which no layer contains and no later command sees."""
    container = with_secrets(container, source.secrets)
    for command in commands:
        container = container.with_exec([*command])
    return without_secrets(container, source.secrets)


def with_variables(container: dagger.Container, variables: Mapping[str, str]) -> dagger.Container:
    """Set variables, none of which is secret."""
    for name, value in variables.items():
        container = container.with_env_variable(name, value)
    return container
