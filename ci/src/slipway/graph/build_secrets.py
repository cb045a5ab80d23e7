"""Build secrets: named in the settings and passed by the caller.

Only single commands of a build see them, and no layer contains them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import dagger
from dagger import dag

from slipway.errors import BadInputError, ObstaclesError
from slipway.settings import Images
from slipway.settings.service import BUILD_SECRET
from slipway.untrusted import json_object

_NETRC: Final = "netrc"  # the only secret that uv reads from a file
_NETRC_FILE: Final = "/run/secrets/netrc"
_FORMS: Final = "pass lines NAME=value, or a JSON object, whose values may have several lines"


async def read(given: dagger.Secret | None) -> dict[str, dagger.Secret]:
    """Read the values that a caller passes, by name: lines NAME=value, or a JSON object for values with several lines.

    Raise BadInputError, whose text never quotes the input, which may be a secret.
    """
    if given is None:
        return {}
    text = await given.plaintext()
    values = json_object(text) or dict(_lines(text))
    for name, value in values.items():
        if not (BUILD_SECRET.fits(name) and isinstance(value, str)):
            raise BadInputError("--build-secrets has a value without a name, or one that is no text", _FORMS)
    if not values:
        raise BadInputError("--build-secrets is empty", _FORMS)
    # A Dockerfile mounts a secret by this name.
    return {name: dag.set_secret(name, value) for name, value in values.items() if value}


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        name, equals, value = line.partition("=")
        if line.strip():
            if not (equals and BUILD_SECRET.fits(name.strip())):
                raise BadInputError(f"line {number} of --build-secrets is not NAME=value", _FORMS)
            yield name.strip(), value


def not_given(images: Images, secrets: Mapping[str, dagger.Secret]) -> Iterator[BadInputError]:
    """Yield an error for each secret in the settings without a value."""
    for name in images.secrets:
        if name not in secrets:
            yield BadInputError(
                f"the build secret {name} has no value",
                f"pass a line {name}=… with --build-secrets, of a file (file://FILE) or of a command's output (cmd://COMMAND)",
            )


def check_given(images: Images, secrets: Mapping[str, dagger.Secret]) -> None:
    """Raise ObstaclesError with all secrets that have no value."""
    if obstacles := [*not_given(images, secrets)]:
        raise ObstaclesError(obstacles)


def with_secrets(container: dagger.Container, secrets: Mapping[str, dagger.Secret]) -> dagger.Container:
    """Pass secrets to a container in the form that uv reads."""
    for name, secret in secrets.items():
        if name == _NETRC:
            mounted = container.with_mounted_secret(_NETRC_FILE, secret)
            container = mounted.with_env_variable("NETRC", _NETRC_FILE)
        else:
            container = container.with_secret_variable(name, secret)
    return container


def without_secrets(container: dagger.Container, secrets: Mapping[str, dagger.Secret]) -> dagger.Container:
    for name in secrets:
        if name == _NETRC:
            container = container.without_mount(_NETRC_FILE).without_env_variable("NETRC")
        else:
            container = container.without_secret_variable(name)
    return container
