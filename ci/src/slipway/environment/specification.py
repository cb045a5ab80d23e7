"""A release's settings in the ledger: recorded when it is deployed, restored when it is deployed again. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from slipway.database_url import LOGIN
from slipway.errors import BadInputError, RefusedError
from slipway.records.ledger import Specification
from slipway.release.engine.ledger import nonce
from slipway.settings import Settings
from slipway.settings.service import SENSITIVE_NAME
from slipway.structure import kebab, read, write

_KEPT: Final = (
    "name",
    "command",
    "port",
    "health-path",
    "smoke-paths",
    "calls",
)  # settings of the service, besides those of the environment
_SECRET_NAME: Final = re.compile(SENSITIVE_NAME)
_SECRET_VALUE: Final = re.compile(
    rf"(?s).*{LOGIN}.*"
    r"|.*-----BEGIN .*|(?:AKIA|ASIA)[0-9A-Z]{16}|(?:gh[pousr]_|github_pat_|xox[a-z]-|sk[_-]|eyJ)\S{12,}"
    r"|[0-9a-fA-F]{32,}|(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9+/=_-]{24,}"
)
_ROUNDS: Final = 100_000
_IMAGE_ONLY: Final = "go back to the image alone with --image-only, in the service's folder"
_CHECKOUT: Final = f"run it in a checkout whose settings have them, or {_IMAGE_ONLY}"


def specification_of(
    settings: Settings, environment: str, addresses: Mapping[str, str] = MappingProxyType({})
) -> Specification:
    """Return the settings for the ledger.

    Secrets are recorded by ARN; variables by value, unless they are secret or look like it.
    """
    own = settings.environment(environment)
    salt = nonce()
    hidden = {
        name: value
        for name, value in own.variables.items()
        if name in own.unrecorded or _SECRET_NAME.search(name) or _SECRET_VALUE.fullmatch(value)
    }
    shown = {name: value for name, value in own.variables.items() if name not in hidden}
    table = write(replace(own, variables=shown), kebab)
    data = {key: value for key, value in write(settings, kebab).items() if key in _KEPT and value != []}
    data["environments"] = {environment: table}
    return Specification(
        settings=json.dumps(_filled(data), sort_keys=True),
        salt=salt,
        hidden={name: _marked(salt, value) for name, value in hidden.items()},
        addresses=addresses,
    )


def _marked(salt: str, value: str) -> str:
    """Return a slow hash of an unrecorded value, so that short values cannot be found by trying all."""
    return hashlib.pbkdf2_hmac("sha256", value.encode(), salt.encode(), _ROUNDS).hex()[:32]


def restored(specification: Specification, environment: str, release: str, present: Mapping[str, str]) -> Settings:
    """Return a release's recorded settings. `present` are current variables, which may have the unrecorded values.

    Raise RefusedError when a value is missing, or when this version of slipway cannot read the settings.
    """
    settings = settings_of(specification, environment, release)
    same = {
        name: present[name]
        for name, mark in specification.hidden.items()
        if name in present and _marked(specification.salt, present[name]) == mark
    }
    if missing := sorted(specification.hidden.keys() - same.keys()):
        raise RefusedError(
            f"{release} had values of {', '.join(missing)} that were not recorded, because they look like secrets, and are not known here",
            _CHECKOUT,
        )
    own = settings.environment(environment)
    return replace(settings, environments={environment: replace(own, variables={**own.variables, **same})})


def settings_of(specification: Specification, environment: str, release: str) -> Settings:
    """Return a release's settings without unrecorded values. Raise RefusedError when this version cannot read them."""
    try:
        settings = read(Settings, json.loads(specification.settings), "", kebab)
        settings.environment(environment)
    except (ValueError, BadInputError) as error:
        raise RefusedError(
            f"this version of slipway cannot read the settings of {release} ({error})",
            f"use the version that deployed it, or {_IMAGE_ONLY}",
        ) from error
    return settings


def _filled(value: object) -> object:
    """Remove keys with None, so that an older version of slipway can read settings without newer keys."""
    if isinstance(value, dict):
        return {key: _filled(item) for key, item in value.items() if item is not None}
    return value
