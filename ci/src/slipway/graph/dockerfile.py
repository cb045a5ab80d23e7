"""The image of a service's own Dockerfile, and checks of the file before the build and of the image.

Each check lists all problems in one run.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import dagger

from slipway.errors import BadInputError, ObstaclesError
from slipway.finder.dockerfile import Instruction, instructions_of
from slipway.finder.tree import Tree
from slipway.graph.build_secrets import not_given
from slipway.settings import Settings
from slipway.untrusted import json_object, one_line

_STAGE: Final = re.compile(r"(?:--\S+\s+)*\S+(?:\s+[Aa][Ss]\s+(\S+))?\s*")
_SECRET_MOUNT: Final = re.compile(r"--mount=(\S*type=secret\S*)")
_DECLARED: Final = re.compile(r"([A-Za-z_]\w*)(?:=\S*)?")
# Arguments that exist in every Dockerfile.
_PREDEFINED: Final = re.compile(r"(?i:https?_proxy|ftp_proxy|no_proxy|all_proxy)|BUILDKIT_\w+|SOURCE_DATE_EPOCH")
_ROOT: Final = {"", "root", "0"}
# The command of a base image, for a Dockerfile without one.
_NO_COMMAND: Final[tuple[list[str], ...]] = ([], ["python3"], ["python"], ["bash"], ["/bin/bash"], ["sh"], ["/bin/sh"])
_OLDEST: Final = {"Python": (3, 10), "alembic": (1, 8), "SQLAlchemy": (1, 4)}
_LOOK: Final = """
import json, os, sys
seen = {"Python": sys.version.split()[0], "folder": os.getcwd(), "config": os.path.exists(sys.argv[1])}
for name in ("alembic", "SQLAlchemy"):
    try:
        from importlib.metadata import version
        seen[name] = version(name)
    except Exception:
        pass
seen["size"] = 0
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
    for file in files:
        try:
            seen["size"] += os.lstat(os.path.join(folder, file)).st_size
        except OSError:
            pass
print(json.dumps(seen))
"""


async def image(
    context: dagger.Directory, settings: Settings, secrets: Mapping[str, dagger.Secret]
) -> dagger.Container:
    """Build the image for deployment. Raise ObstaclesError with all problems."""
    built = await _built(context, settings, secrets)
    seen = await _inspect(built, settings)
    user = await built.user()
    if obstacles := [*_unfit(seen, settings), *_not_shipped(user, str(await built.platform()), settings)]:
        raise ObstaclesError(obstacles)
    print(_told(seen, user, settings))  # noqa: T201 -- the log of the function
    if [*await built.entrypoint(), *await built.default_args()] in _NO_COMMAND:
        return built.with_entrypoint([]).with_default_args(list(settings.command))
    return built


async def proving(
    context: dagger.Directory, settings: Settings, secrets: Mapping[str, dagger.Secret]
) -> dagger.Container:
    """Build the image for the gate, where it may run as root. Raise ObstaclesError when migrations cannot run in it."""
    built = await _built(context, settings, secrets)
    if obstacles := [*_unfit(await _inspect(built, settings), settings)]:
        raise ObstaclesError(obstacles)
    return built


async def _built(
    context: dagger.Directory, settings: Settings, secrets: Mapping[str, dagger.Secret]
) -> dagger.Container:
    """Build the Dockerfile. Before any of it runs, check everything that can be read from the file."""
    images = settings.images
    assert images.dockerfile is not None
    if not await context.exists(images.dockerfile):
        others = sorted(await context.glob("**/*Dockerfile*"))
        raise BadInputError(
            f"the service's folder has no {images.dockerfile}",
            f"set dockerfile in [tool.slipway.images] to {others[0]!r}" if others else "correct dockerfile there",
        )
    text = await context.file(images.dockerfile).contents()
    read = [*instructions_of(Tree.of({images.dockerfile: text}), images.dockerfile)]
    if obstacles := [*_misnamed(read, settings), *not_given(images, secrets)]:
        raise ObstaclesError(obstacles)
    built = context.docker_build(
        dockerfile=images.dockerfile,
        target=images.target or "",
        platform=dagger.Platform(images.platform),
        build_args=[dagger.BuildArg(name, value) for name, value in images.arguments.items()],
        secrets=[*secrets.values()],
    )
    for name in secrets:  # the result of the build would mount them, too
        built = built.without_mount(f"/run/secrets/{name}")
    return built


def _misnamed(read: Sequence[Instruction], settings: Settings) -> Iterator[BadInputError]:
    """Yield an error for each name that only one of settings and Dockerfile has."""
    images, table = settings.images, "[tool.slipway.images]"
    stages = [match[1] for each in read if each.word == "FROM" and (match := _STAGE.fullmatch(each.rest))]
    names = [name for name in stages if name]
    target = (images.target or "").lower()
    if target and not target.isdecimal() and target not in {name.lower() for name in names}:
        known = f"name one of {', '.join(names)} as target in {table}" if names else f"remove target from {table}"
        yield BadInputError(f"{images.dockerfile} has no stage {images.target}", known)
    declared = {name for each in read if each.word == "ARG" for name in _DECLARED.findall(each.rest)}
    for name in images.arguments:
        if name not in declared and not _PREDEFINED.fullmatch(name):
            yield BadInputError(
                f"{images.dockerfile} has no ARG {name}",
                f"add it to the stage that reads it, or remove it from {table}",
            )
    for each in read:
        for mount in (dict(_pairs(options)) for options in _SECRET_MOUNT.findall(each.rest)):
            where = next((mount[key] for key in ("target", "dst", "destination") if key in mount), "")
            name = mount.get("id") or where.rpartition("/")[2]
            if mount.get("required", "false") not in ("false", "0") and name not in images.secrets:
                yield BadInputError(f"{each.place} needs the secret {name}", f"add it to secrets in {table}")


def _pairs(options: str) -> Iterator[tuple[str, str]]:
    for option in options.split(","):
        name, equals, value = option.partition("=")
        yield name, value if equals else "true"


async def _inspect(built: dagger.Container, settings: Settings) -> Mapping[str, Any]:
    """Run the image's Python, and return its facts; none when there is no Python. Raise other errors of the build."""
    await built.sync()
    done = built.with_exec(["python", "-c", _LOOK, settings.migrations.config], expect=dagger.ReturnType.ANY)
    return json_object(await done.stdout()) if await done.exit_code() == 0 else {}


def _unfit(seen: Mapping[str, Any], settings: Settings) -> Iterator[BadInputError]:
    """Yield an error for each thing that the migrations need and the image lacks."""
    file, config = settings.images.dockerfile, settings.migrations.config
    if not seen:
        yield BadInputError(
            f"the image of {file} has no Python that starts as `python`",
            'put its folder on the path in the stage that is shipped, such as ENV PATH="/app/.venv/bin:$PATH"',
        )
        return
    for name, oldest in _OLDEST.items():
        found, least = str(seen.get(name, "")), ".".join(map(str, oldest))
        if not found and name != "Python":
            yield BadInputError(
                f"the `python` of the image of {file} has no {name}",
                f"install the service's dependencies with {name} for it in the stage that is shipped",
            )
        elif tuple(map(int, re.findall(r"\d+", found)[:2])) < oldest:
            yield BadInputError(f"the image of {file} has {name} {one_line(found)}", f"slipway needs {least} or newer")
    if not seen.get("config"):
        yield BadInputError(
            f"the image of {file} has no {config} in {one_line(str(seen.get('folder')))}, its working directory",
            "copy it and the migrations there, as releases migrate from their own image, and let .dockerignore keep them",
        )


def _not_shipped(user: str, platform: str, settings: Settings) -> Iterator[BadInputError]:
    """Yield an error for each reason against deploying the image."""
    images = settings.images
    if user.partition(":")[0] in _ROOT:
        yield BadInputError(
            f"the image of {images.dockerfile} runs as root", "end the stage that is shipped with USER 65532"
        )
    if platform != images.platform:
        yield BadInputError(
            f"the image of {images.dockerfile} is for {one_line(platform)}, and {images.platform} was asked for",
            "remove --platform from its FROM, or set platform in [tool.slipway.images]",
        )


def _told(seen: Mapping[str, Any], user: str, settings: Settings) -> str:
    versions = ", ".join(f"{name} {one_line(str(seen[name]))}" for name in _OLDEST)
    return f"the image of {settings.images.dockerfile}: {seen['size'] / 1e6:.0f} MB, user {one_line(user)}, {versions}"
