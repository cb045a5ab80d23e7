"""The service's image: a builder with uv, and a runtime into which the finished virtual environment is copied.

The dependency layer knows only pyproject.toml and the lock. The runtime runs nothing while it is built; its user is a number, its files
are root's. What changes with every commit (labels) comes last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

import dagger
from dagger import dag

from slipway.errors import BadInputError
from slipway.graph import bases
from slipway.records.image import LONG_AGO
from slipway.settings import Settings

USER = "65532:65532"  # nobody's account in any base image
_HOME = "/app"
_VENV = "/app/.venv"
_SITE = "/opt/site"
# The engine's own way (Directory.withTimestamps) fails at links that lead out of the directory, as those to the interpreter do.
_SAME_TIMES = ("-exec", "touch", "--no-dereference", f"--date=@{LONG_AGO}", "{}", "+")
_BARE = "/opt/bare"
_SBOM = "/tmp/sbom.json"  # noqa: S108 -- inside a container
_UV = {
    "UV_PROJECT_ENVIRONMENT": _VENV,
    "UV_LINK_MODE": "copy",
    "UV_COMPILE_BYTECODE": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_NO_INSTALLER_METADATA": "1",
    # The engine puts a company's own certificates where the system keeps them; older uv knows the first name only.
    "UV_NATIVE_TLS": "1",
    "UV_SYSTEM_CERTS": "1",
    # Bytecode that names the hash of its source, not a time: two builds of one lock then differ in no file.
    "PYC_INVALIDATION_MODE": "CHECKED_HASH",
}
_RUNTIME = {
    "PATH": f"{_VENV}/bin:/usr/local/bin:/usr/bin:/bin",
    "VIRTUAL_ENV": _VENV,
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True)
class Label:
    """What an image says of its origin. `committed` is seconds since 1970: the application's files bear that time."""

    revision: str = "unknown"
    committed: int = LONG_AGO

    @property
    def created(self) -> str:
        return datetime.fromtimestamp(self.committed, UTC).isoformat()


@dataclass(frozen=True, kw_only=True)
class Source:
    """What an image is made of: the lock, and the files that the settings name as sources; a `package` is installed itself, too.

    What only developers need is a group of uv's lock, or stands in a `requirements-dev.txt`.
    """

    pyproject: dagger.File
    lock: dagger.File
    lock_name: str
    files: dagger.Directory
    package: bool
    development: dagger.File | None = None


def builder(source: Source, settings: Settings) -> dagger.Container:
    """A container with the service's dependencies and files: what the gate runs in, too."""
    return _filled(_installed(source, settings), source)


def development(source: Source, settings: Settings) -> dagger.Container:
    """The builder with what only developers need, its programs on the path: what lint, types and tests run in."""
    installed = _dependencies(_with_uv(settings), source, development=True)
    return with_variables(_filled(installed, source), {"PATH": _RUNTIME["PATH"]})


def _filled(installed: dagger.Container, source: Source) -> dagger.Container:
    filled = installed.with_directory(_HOME, source.files)
    if not source.package:
        return filled
    install = ["uv", "pip", "install", "--no-deps", "--target", _SITE, "."]
    return filled.with_exec(install).with_env_variable("PYTHONPATH", _SITE)


def image(source: Source, settings: Settings, label: Label) -> dagger.Container:
    """The image that is shipped: a layer of dependencies with one constant time, a layer of the application with the commit's."""
    application = source.files
    if source.package:
        application = application.with_directory(".site", builder(source, settings).directory(_SITE))
    runtime = with_variables(
        _base(source, settings)
        .with_directory("/", _installed(source, settings).rootfs().filter(include=[_VENV.removeprefix("/")]))
        .with_directory("/", dag.directory().with_directory(_HOME, application).with_timestamps(label.committed))
        .with_workdir(_HOME),
        _RUNTIME | ({"PYTHONPATH": f"{_HOME}/.site"} if source.package else {}),
    )
    return (
        runtime.with_user(USER)
        .with_exposed_port(settings.port)
        .with_entrypoint([])
        .with_default_args(list(settings.command))
        .with_env_variable("GIT_REVISION", label.revision)
        .with_label("org.opencontainers.image.title", settings.name)
        .with_label("org.opencontainers.image.created", label.created)
        .with_label("org.opencontainers.image.revision", label.revision)
        .with_annotation("org.opencontainers.image.created", label.created)
        .with_annotation("org.opencontainers.image.revision", label.revision)
    )


def _base(source: Source, settings: Settings) -> dagger.Container:
    """What the virtual environment stands on: the Python image, or only what of it is loaded."""
    if not settings.images.distroless:
        return _empty(settings).from_(bases.python(settings.images))
    script = (files("slipway.graph") / "distroless.py").read_text(encoding="utf-8")
    laid_out = (
        _installed(source, settings)
        .with_new_file("/opt/distroless.py", script)
        .with_exec(["python", "-I", "/opt/distroless.py", _BARE, _VENV])
        .with_exec(["find", _BARE, *_SAME_TIMES])
    )
    bare = _empty(settings).with_directory("/", laid_out.directory(_BARE))
    return with_variables(bare, {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"})


def _empty(settings: Settings) -> dagger.Container:
    return dag.container(platform=dagger.Platform(settings.images.platform))


def sbom(source: Source, settings: Settings) -> dagger.File:
    """What the lock pins, as CycloneDX; uv's document as it writes it."""
    if source.lock_name != "uv.lock":
        raise BadInputError(f"{source.lock_name} says too little for a bill of materials", "run `uv lock`")
    export = ["uv", "export", "--frozen", "--no-dev", "--format", "cyclonedx1.5", "--output-file", _SBOM]
    return (
        _with_uv(settings)
        .with_file(f"{_HOME}/pyproject.toml", source.pyproject)
        .with_file(f"{_HOME}/uv.lock", source.lock)
        .with_exec(export)
        .file(_SBOM)
    )


def _installed(source: Source, settings: Settings) -> dagger.Container:
    """The dependencies and nothing else below the home folder, all of one time, that folder's own included: it lies in the layer, too."""
    return _dependencies(_with_uv(settings), source, development=False).with_exec(["find", _HOME, *_SAME_TIMES])


def _with_uv(settings: Settings) -> dagger.Container:
    return with_variables(
        _empty(settings)
        .from_(bases.python(settings.images))
        .with_file("/usr/local/bin/uv", _empty(settings).from_(bases.uv(settings.images)).file("/uv"))
        .with_workdir(_HOME)
        .with_mounted_cache("/root/.cache/uv", dag.cache_volume("slipway-uv")),
        _UV,
    )


def _dependencies(container: dagger.Container, source: Source, *, development: bool) -> dagger.Container:
    """Install what the lock pins; only the lock and pyproject.toml are seen."""
    if source.lock_name == "uv.lock":
        without = [] if development else ["--no-dev"]
        return (
            container.with_mounted_file(f"{_HOME}/pyproject.toml", source.pyproject)
            .with_mounted_file(f"{_HOME}/uv.lock", source.lock)
            .with_exec(["uv", "sync", "--locked", "--no-install-project", "--no-editable", *without])
            .without_mount(f"{_HOME}/uv.lock")
            .without_mount(f"{_HOME}/pyproject.toml")
        )
    if source.lock_name == "requirements.txt":
        files = {"requirements.txt": source.lock}
        if development and source.development:
            files["requirements-dev.txt"] = source.development
        for name, file in files.items():
            container = container.with_mounted_file(f"{_HOME}/{name}", file)
        wanted = [f"--requirement={name}" for name in files]
        installed = container.with_exec(["uv", "venv", _VENV]).with_exec(["uv", "pip", "install", *wanted])
        for name in files:
            installed = installed.without_mount(f"{_HOME}/{name}")
        return installed
    raise BadInputError(f"an image cannot be built from {source.lock_name}", "run `uv lock` and commit uv.lock")


def with_variables(container: dagger.Container, variables: Mapping[str, str]) -> dagger.Container:
    """A container with variables that are no secrets."""
    for name, value in variables.items():
        container = container.with_env_variable(name, value)
    return container
