"""The machine: required programs, disk space and Postgres binaries."""

import os
import platform
import shutil
from pathlib import Path

from slipway.doctor.check import DoctorOptions, output_of
from slipway.errors import BadInputError
from slipway.postgres import binaries, datadir
from slipway.workload import dependencies

_ENVIRONMENT_BYTES = 2**30  # a service's virtual environment is some hundred MB, and each lock has one


def python(options: DoctorOptions) -> str:  # noqa: ARG001 -- slipway's own, whatever the service is
    return platform.python_version()


def uv(options: DoctorOptions) -> str:  # noqa: ARG001 -- one for all services
    return output_of([dependencies.uv(), "--version"], remedy="install uv again").removeprefix("uv ")


def git(options: DoctorOptions) -> str:
    """Check git, and that the service is in a commit; raises BadInputError, RefusedError."""
    if shutil.which("git") is None:
        raise BadInputError("there is no git on this machine", "install git")
    version = output_of(["git", "--version"], remedy="install git again").removeprefix("git version ")
    commit = output_of(
        ["git", "-C", str(options.folder), "rev-parse", "--verify", "--short", "HEAD"],
        remedy="slipway builds commits only: run git init, and commit",
    )
    return f"{version}, the service is at {commit}"


def disk(options: DoctorOptions) -> str:  # noqa: ARG001 -- the cache is one for all services
    """Check the space for virtual environments and Postgres data; raises BadInputError if a run needs more."""
    kept, thrown_away = _existing(datadir.cache()), datadir.place()
    if not kept.is_dir() or not os.access(kept, os.W_OK):
        raise BadInputError(f"{kept} cannot be written", "set XDG_CACHE_HOME to a folder that can")
    for place, needed, variable in (
        (kept, _ENVIRONMENT_BYTES, "XDG_CACHE_HOME"),
        (thrown_away, datadir.NEEDED_BYTES, "TMPDIR"),
    ):
        if _free(place) < needed:
            raise BadInputError(
                f"{place} has {_free(place) >> 20} MB free, and a run needs {needed >> 20}",
                f"free some, or set {variable} to a folder with more",
            )
    return f"{_free(kept) / 2**30:.0f} GB free for environments in {kept}, {_free(thrown_away) / 2**30:.0f} GB for Postgres in {thrown_away}"


def postgres(options: DoctorOptions) -> str:
    """Check the Postgres binaries for the gate; raises BadInputError if there are none."""
    settings = options.settings()
    wanted = settings.migrations.major if settings else None
    found = binaries.find(wanted)
    odd = f", and the settings want {wanted}: a proof records its version" if wanted not in (None, found.major) else ""
    return f"{found.version} of {found.origin}{odd}"


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _free(place: Path) -> int:
    return shutil.disk_usage(place).free
