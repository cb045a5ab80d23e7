"""The previous release: its models, read in a virtual environment built from its own lock."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import dagger

from slipway.errors import BadInputError, within
from slipway.finder.start import migrating
from slipway.finder.tree import Tree
from slipway.graph import bases, postgres
from slipway.graph.folder import EITHER, Folder
from slipway.graph.gate import refuse, with_package
from slipway.graph.image import proving, python_in
from slipway.graph.refusal import meaning
from slipway.graph.workspace import declared_in, settings_of, source_of
from slipway.local.previous import with_recorded
from slipway.local.prove import question_of
from slipway.records.form import from_json, to_json
from slipway.records.gate import Ask, Previous
from slipway.settings import FILES

if TYPE_CHECKING:
    from slipway.settings import Images

_NAME = "the previous release"
_RECORD = "/tmp/previous.json"  # noqa: S108 -- inside a container


async def previous_in(
    directory: dagger.Directory | None,
    statements: dagger.File | None,
    images: "Images",
    secrets: Mapping[str, dagger.Secret],
    path: str = "/",
) -> Previous | None:
    """Read the previous release from a directory, on the current release's base images.

    `path` is the service's folder there.
    When its models cannot be read, the record contains the reason. Raise BadInputError for malformed statements, and
    for a directory without a service.
    """
    previous = Previous(name="")
    if directory:
        folder = Folder(directory, path)
        if not await folder.some(include=FILES).entries():
            place = "" if path == "/" else f" in {folder}"
            raise BadInputError(
                f"the directory of --previous has no {EITHER}{place}",
                "pass the service's folder in the live release, or of a uv workspace its root",
            )
        previous = await _models_in(folder, images, secrets)
    if statements:
        previous = with_recorded(previous, await statements.contents(), "the file of --statements")
    return previous if previous.name else None


async def _models_in(folder: Folder, images: "Images", secrets: Mapping[str, dagger.Secret]) -> Previous:
    try:
        return await _read(folder, images, secrets)
    except Exception as error:
        if (known := within(error) or meaning(error)) is None:
            raise
        return Previous(name=_NAME, refusal=str(known))


async def _read(folder: Folder, images: "Images", secrets: Mapping[str, dagger.Secret]) -> Previous:
    declared = await declared_in(folder)
    settings = replace(await settings_of(declared), images=images, build=None)
    migrations, url = settings.migrations, postgres.url()
    question = to_json(question_of(migrations, ask=Ask.MODELS, release=_NAME), indent=None)
    command = [python_in(settings), "-m", "slipway.gate", _RECORD]
    built = await proving(await source_of(declared, settings, secrets), settings)
    container = with_package(built, {"url": url, "variables": migrations.database_variables(url)})
    service = postgres.service(bases.postgres(images, migrations, None), "previous")
    done = container.with_service_binding(postgres.HOST, service).with_exec(
        command, stdin=question, expect=dagger.ReturnType.ANY
    )
    if code := await done.exit_code():
        await refuse(done, _RECORD, f"the gate ended with the exit code {code}")
    previous = from_json(Previous, await done.file(_RECORD).contents(), "the previous release's models")
    return replace(previous, start=migrating(Tree.of({}), settings.command))
