"""The gate in the service's builder with a Postgres. It is one exec, so the engine caches the whole result."""

import json
import posixpath
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

import anyio
import dagger
from dagger import dag

from slipway.errors import BadInputError
from slipway.graph import bases, postgres
from slipway.graph.folder import Folder
from slipway.graph.image import Source, proving, python_in
from slipway.local.inside import why_not
from slipway.local.prove import question_of
from slipway.records.form import to_json
from slipway.records.gate import Previous, Since
from slipway.records.refusal import Refusal
from slipway.settings import Migrations, Settings

# The parts of slipway that run in the service's virtual environment.
PACKAGE = "/opt/slipway"
_MOUNTED = ["__init__.py", "database_url.py", "errors.py", "structure.py", "records/**", "migration/**", "gate/**"]
# Prints the expiry dates of all comments that suppress findings.
_DATES = r"""
import os, pathlib, re
for file in pathlib.Path().rglob("*.py"):
    if os.access(file, os.R_OK) and file.is_file():
        print(*re.findall(r"slipway:.*?until=(\d{4}-\d\d-\d\d)", file.read_text("utf-8", "replace")))
"""
_PROOF = "/tmp/proof.json"  # noqa: S108 -- inside a container
# The engine could request only the whole .git from the caller, which may be larger than all files that the gate reads.
_NO_GIT = Refusal.of(
    BadInputError(
        "a Dagger function reads no git history", "name a revision, or compare with a ref by `slipway gate --since`"
    )
)


async def prove(
    source: Source, settings: Settings, major: str | None, since: str | None, previous: Previous | None = None
) -> dagger.File:
    """Return the Proof of the workspace's history as JSON. Raise SlipwayError when the gate cannot run."""
    image = bases.postgres(settings.images, settings.migrations, major)
    database = {"url": postgres.url(), "variables": settings.migrations.database_variables(postgres.url())}
    built, python = await proving(source, settings), python_in(settings)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(check_config, source, settings.migrations)
        dates = await built.with_exec([python, "-I", "-c", _DATES]).stdout()
    # The question is a part of the cache's key. So its day changes only when an allowance expires.
    today = day_of(dates.split(), datetime.now(UTC).date())
    compared = Since(name=since, refusal=_NO_GIT) if since else None
    question = question_of(
        settings.migrations,
        folder=source.folder,
        since=compared,
        previous=previous,
        today=str(today),
        calls=settings.calls,
    )
    done = (
        with_package(built, database)
        .with_service_binding(postgres.HOST, postgres.service(image, "gate"))
        .with_exec(
            [python, "-m", "slipway.gate", _PROOF],
            stdin=to_json(question, indent=None),
            expect=dagger.ReturnType.ANY,
        )
    )
    if code := await done.exit_code():
        await refuse(done, _PROOF, f"the gate ended with the exit code {code}")
    return done.file(_PROOF)


async def has_history(folder: Folder, source: Source, migrations: Migrations) -> bool:
    """Return whether the folder has an alembic history, even one that the settings do not name.

    That is an error elsewhere.
    """
    if migrations.scripts or migrations.app is not None or await source.files.exists(migrations.config):
        return True
    return bool(await folder.some(include=["**/alembic.ini", "**/script.py.mako"], gitignore=True).glob("**/*.*"))


async def check_config(source: Source, migrations: Migrations) -> None:
    """Raise BadInputError when alembic's settings file is missing, without waiting for the build."""
    if migrations.config == "pyproject.toml" or await source.files.exists(migrations.config):
        return
    others = sorted(await source.files.glob(f"**/{posixpath.basename(migrations.config)}"))
    next_step = (
        f"set config in [tool.slipway.migrations] to {others[0]!r}"
        if others
        else (
            "name alembic's settings file in [tool.slipway.migrations] config, and list it in sources if there are any"
        )
    )
    raise BadInputError(f"the service's folder has no {migrations.config}", next_step)


def day_of(dates: Iterable[str], today: date) -> date:
    """Return the earliest day with today's verdict: no allowance with one of these dates has expired since."""
    ordinals = [ordinal for text in dates if (ordinal := _ordinal(text)) < today.toordinal()]
    return date.fromordinal(max(ordinals, default=0) + 1)


def _ordinal(text: str) -> int:
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:  # the gate reports this as a finding
        return 0


def with_package(container: dagger.Container, database: Mapping[str, object]) -> dagger.Container:
    """Mount slipway, and pass the database to a container of the service.

    The URLs of databases that exist only in the session are no secret.
    """
    return with_slipway(container).with_env_variable("SLIPWAY_DATABASE", json.dumps(database))


def with_slipway(container: dagger.Container) -> dagger.Container:
    """Mount slipway so that `python -m slipway.gate` and `slipway.migration` can run in a container of the service."""
    return mounted(container).with_env_variable("PYTHONPATH", f"{PACKAGE}:$PYTHONPATH", expand=True)


def mounted(container: dagger.Container) -> dagger.Container:
    """Mount slipway at a place where no program of the service finds it."""
    package = dag.current_module().source().directory("src/slipway")
    return container.with_directory(f"{PACKAGE}/slipway", package, include=_MOUNTED)


async def refuse(done: dagger.Container, written: str, what: str) -> None:
    """Raise the error that a failed program wrote to a file, or its last lines when it wrote none."""
    try:
        text = await done.file(written).contents()
    except dagger.QueryError:
        text = None
    raise why_not(what, text, await done.stderr())
