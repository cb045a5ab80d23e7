"""Checks of the machine and the service: programs, disk space, Postgres binaries, settings and lock."""

import os
import platform
import shutil
from pathlib import Path

from slipway import settings
from slipway.doctor.check import DoctorOptions, SkippedError, output_of
from slipway.errors import BadInputError
from slipway.finder.database import created_by_migrations, origin_of_major, server
from slipway.finder.survey import find, refuse
from slipway.finder.tree import tree_at
from slipway.postgres import binaries, datadir
from slipway.records.survey import Subject, Survey
from slipway.settings import Migrations, MissingTableError, SettingsError
from slipway.workload import dependencies

_ENVIRONMENT_BYTES = 2**30  # a virtual environment takes some hundred MB, and each lock has its own


def python(options: DoctorOptions) -> str:  # noqa: ARG001 -- slipway's own, whatever the service is
    return platform.python_version()


def uv(options: DoctorOptions) -> str:  # noqa: ARG001 -- one for all services
    return output_of([dependencies.uv(), "--version"], remedy="install uv again").removeprefix("uv ")


def git(options: DoctorOptions) -> str:
    """Return the versions of git and of the service's commit.

    Raise BadInputError without git, RefusedError without a commit.
    """
    if shutil.which("git") is None:
        raise BadInputError("there is no git on this machine", "install git")
    version = output_of(["git", "--version"], remedy="install git again").removeprefix("git version ")
    commit = output_of(
        ["git", "-C", str(options.folder), "rev-parse", "--verify", "--short", "HEAD"],
        remedy="slipway builds commits only: run git init, and commit",
    )
    return f"{version}, the service is at {commit}"


def disk(options: DoctorOptions) -> str:  # noqa: ARG001 -- the cache is one for all services
    """Check the disk space for virtual environments and Postgres data.

    Raise BadInputError when there is too little, or when the cache folder cannot be written.
    """
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
    """Check the Postgres binaries for the gate. Raise BadInputError when there are none."""
    settings, tree = options.settings(), tree_at(options.folder)
    survey = Survey(facts=tuple(server(tree)))
    major = survey.value(Subject.POSTGRES, Migrations().postgres)
    read = Migrations(postgres=major, extensions=survey.values(Subject.EXTENSION))
    wanted = settings.migrations if settings else read
    found = binaries.find(wanted.major, {*wanted.extensions, *created_by_migrations(tree, wanted.baseline)})
    odd = "" if wanted.major in (None, found.major) else ": this machine has no such server with the extensions"
    return f"{found.version} of {found.origin}, for {wanted.postgres}, which {origin_of_major(tree)}{odd}"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _free(place: Path) -> int:
    return shutil.disk_usage(place).free


def settings_file(options: DoctorOptions) -> str:
    """Check [tool.slipway], which the gate does not need."""
    try:
        read = settings.load(options.folder)
    except SettingsError as error:
        if not isinstance(error, MissingTableError):
            settings.load(options.folder, named=False)  # raises an error unless only the name or the command is missing
        raise SkippedError(error.what, f"{error.next_step}; `slipway gate` works without") from error
    environments = ", ".join(read.environments) or "no environments"
    return f"{read.name}, with {environments}"


def lock(options: DoctorOptions) -> str:
    """Check the lock file. Raise BadInputError when there is none."""
    view = tree_at(options.folder)
    found = dependencies.lock_of(options.folder, view)
    notes = "; ".join(dependencies.notes(view))
    return os.path.relpath(found, options.folder.resolve()) + (f"; {notes}" if notes else "")


def interpreter(options: DoctorOptions) -> str:
    """Return the version of Python that the gate would use. Raise BadInputError when there is none."""
    return dependencies.python_here(options.folder)


def alembic(options: DoctorOptions) -> str:
    """Check alembic's settings, from [tool.slipway] or found by the finder. Raise BadInputError with all obstacles."""
    read = options.settings()
    if read and (options.folder / read.migrations.config).is_file():
        return read.migrations.config
    survey = find(tree_at(options.folder))
    refuse(survey)
    fact = survey.fact(Subject.CONFIG) or survey.fact(Subject.SCRIPTS)
    assert fact is not None
    if read and fact.value != "pyproject.toml":
        raise BadInputError(
            f"there is no {read.migrations.config} in {options.folder}",
            f'set config = "{fact.value}" in [tool.slipway.migrations]',
        )
    return f"{fact.value}, {fact.guessed or 'read at ' + fact.place}"
