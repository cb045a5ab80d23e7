"""The release before this one: what its models name, told in its own environment, made from its own lock as this one's is."""

from dataclasses import replace
from typing import TYPE_CHECKING

import dagger

from slipway.errors import SlipwayError
from slipway.graph import bases, postgres
from slipway.graph.gate import lent, refuse
from slipway.graph.image import builder
from slipway.graph.refusal import meaning
from slipway.graph.workspace import file_of, settings_of, source_of
from slipway.local.previous import starting, with_recorded
from slipway.local.prove import question_of
from slipway.records.form import from_json, to_json
from slipway.records.previous import Previous
from slipway.records.question import Ask

if TYPE_CHECKING:
    from slipway.settings import Images

_NAME = "the previous release"
_TOLD = "/tmp/previous.json"  # noqa: S108 -- inside a container


async def previous_in(
    folder: dagger.Directory | None, statements: dagger.File | None, images: "Images"
) -> Previous | None:
    """The release in a folder, on the images of this one; where its models cannot be had, why not. Raises BadInputError for statements that are none."""
    told = await _models_in(folder, images) if folder else Previous(name="")
    if statements:
        told = with_recorded(told, await statements.contents(), "the recorded statements")
    return told if told.name else None


async def _models_in(folder: dagger.Directory, images: "Images") -> Previous:
    try:
        return await _tell(folder, images)
    except SlipwayError as error:
        return Previous(name=_NAME, refusal=str(error))
    except dagger.QueryError as error:
        if (said := meaning(error)) is None:
            raise
        return Previous(name=_NAME, refusal=str(said))


async def _tell(folder: dagger.Directory, images: "Images") -> Previous:
    settings = replace(await settings_of(folder), images=images)
    migrations, url = settings.migrations, postgres.url()
    question = to_json(question_of(migrations, ask=Ask.MODELS, release=_NAME), indent=None)
    command = ["/app/.venv/bin/python", "-m", "slipway.gate", _TOLD]
    container = lent(
        builder(await source_of(folder, settings), settings), {"url": url, "variables": migrations.told(url)}
    )
    service = postgres.service(bases.postgres(images, migrations, None), "previous")
    done = container.with_service_binding(postgres.HOST, service).with_exec(
        command, stdin=question, expect=dagger.ReturnType.ANY
    )
    if code := await done.exit_code():
        await refuse(done, _TOLD, f"the gate ended with the exit code {code}")
    told = from_json(Previous, await done.file(_TOLD).contents(), "the previous release's models")
    return starting(told, await file_of(folder, "pyproject.toml").contents())
