"""The gate in the service's own builder, beside a Postgres: one exec, so that the engine keeps its whole result."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import dagger
from dagger import dag

from slipway.graph import bases, postgres
from slipway.graph.image import Source, builder
from slipway.local.inside import why_not
from slipway.local.prove import question_of
from slipway.records.form import from_json, to_json
from slipway.records.previous import Previous
from slipway.records.proof import Proof
from slipway.settings import Settings

# What of slipway runs in the service's own environment.
_LENT = ["__init__.py", "database_url.py", "errors.py", "structure.py", "records/**", "migration/**", "gate/**"]
_PROOF = "/tmp/proof.json"  # noqa: S108 -- inside a container


async def prove(
    source: Source, settings: Settings, major: str | None, since: str | None, previous: Previous | None = None
) -> Proof:
    """The proof for the workspace's history, on which the `previous` release must be able to work; raises SlipwayError when it cannot be executed."""
    image = bases.postgres(settings.images, settings.migrations, major)
    told = {"url": postgres.url(), "variables": settings.migrations.told(postgres.url())}
    migrations = replace(settings.migrations, start_after=since or settings.migrations.start_after)
    # The engine caches the result, and allowances expire: the day is part of the question.
    question = question_of(migrations, previous=previous, today=str(datetime.now(UTC).date()))
    done = (
        lent(builder(source, settings), told)
        .with_service_binding(postgres.HOST, postgres.service(image, "gate"))
        .with_exec(
            ["/app/.venv/bin/python", "-m", "slipway.gate", _PROOF],
            stdin=to_json(question, indent=None),
            expect=dagger.ReturnType.ANY,
        )
    )
    if code := await done.exit_code():
        await refuse(done, _PROOF, f"the gate ended with the exit code {code}")
    return from_json(Proof, await done.file(_PROOF).contents(), "the gate's proof")


def lent(container: dagger.Container, told: Mapping[str, object]) -> dagger.Container:
    """A container of the service's to which slipway is lent, with the database that it is told. Where the session's databases are is no secret."""
    return with_slipway(container).with_env_variable("SLIPWAY_DATABASE", json.dumps(told))


def with_slipway(container: dagger.Container) -> dagger.Container:
    """A container of the service's in which `python -m slipway.gate` and `slipway.migration` can be run."""
    package = dag.current_module().source().directory("src/slipway")
    return container.with_directory("/opt/slipway/slipway", package, include=_LENT).with_env_variable(
        "PYTHONPATH", "/opt/slipway"
    )


async def refuse(done: dagger.Container, written: str, what: str) -> None:
    """Raise what the part of slipway that ended without an answer wrote instead of one, or else what it said last."""
    try:
        text = await done.file(written).contents()
    except dagger.QueryError:
        text = None
    raise why_not(what, text, await done.stderr())
