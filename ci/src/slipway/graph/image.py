"""The service's image: a builder with uv, and a runtime into which the finished virtual environment is copied.

The dependency layer knows only pyproject.toml and the lock. The runtime runs nothing while it is built; its user is a number, its files
are root's. What changes with every commit (labels) comes last.
"""

from dataclasses import dataclass

import dagger
from dagger import dag

from slipway.errors import BadInputError
from slipway.graph import bases
from slipway.settings import Settings

USER = "65532:65532"  # nobody's account in any base image
PLATFORM = "linux/amd64"  # App Runner runs nothing else
_HOME = "/app"
_VENV = "/app/.venv"
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
class Source:
    """What an image is made of: the lock, and the files that the settings name as sources."""

    pyproject: dagger.File
    lock: dagger.File
    lock_name: str
    files: dagger.Directory


def builder(source: Source, settings: Settings) -> dagger.Container:
    """A container with the service's dependencies and files: what the gate and the tests run in, too."""
    prepared = _with_variables(
        dag.container(platform=dagger.Platform(PLATFORM))
        .from_(bases.python(settings.images))
        .with_file("/usr/local/bin/uv", dag.container().from_(bases.uv(settings.images)).file("/uv"))
        .with_workdir(_HOME)
        .with_mounted_cache("/root/.cache/uv", dag.cache_volume("slipway-uv")),
        _UV,
    )
    return _dependencies(prepared, source).with_directory(_HOME, source.files)


def image(source: Source, settings: Settings, revision: str) -> dagger.Container:
    """The image that is shipped."""
    built = builder(source, settings)
    runtime = _with_variables(
        dag.container(platform=dagger.Platform(PLATFORM))
        .from_(bases.python(settings.images))
        .with_workdir(_HOME)
        .with_directory(_VENV, built.directory(_VENV))
        .with_directory(_HOME, source.files),
        _RUNTIME,
    )
    return (
        runtime.with_user(USER)
        .with_exposed_port(settings.port)
        .with_entrypoint([])
        .with_default_args(list(settings.command))
        .with_env_variable("GIT_REVISION", revision)
        .with_label("org.opencontainers.image.title", settings.name)
        .with_label("org.opencontainers.image.revision", revision)
        .with_annotation("org.opencontainers.image.revision", revision)
    )


def _dependencies(container: dagger.Container, source: Source) -> dagger.Container:
    """Install what the lock pins; only the lock and pyproject.toml are seen."""
    if source.lock_name == "uv.lock":
        return (
            container.with_mounted_file(f"{_HOME}/pyproject.toml", source.pyproject)
            .with_mounted_file(f"{_HOME}/uv.lock", source.lock)
            .with_exec(["uv", "sync", "--locked", "--no-install-project", "--no-editable", "--no-dev"])
            .without_mount(f"{_HOME}/uv.lock")
            .without_mount(f"{_HOME}/pyproject.toml")
        )
    if source.lock_name == "requirements.txt":
        return (
            container.with_mounted_file(f"{_HOME}/requirements.txt", source.lock)
            .with_exec(["uv", "venv", _VENV])
            .with_exec(["uv", "pip", "install", "--requirement", "requirements.txt"])
            .without_mount(f"{_HOME}/requirements.txt")
        )
    raise BadInputError(f"an image cannot be built from {source.lock_name}", "run `uv lock` and commit uv.lock")


def _with_variables(container: dagger.Container, variables: dict[str, str]) -> dagger.Container:
    for name, value in variables.items():
        container = container.with_env_variable(name, value)
    return container
