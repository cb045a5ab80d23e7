"""Secrets that the service's own code may print or raise, taken out of all that is written down."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

HIDDEN: Final = "***"
_SHORTEST: Final = 8  # shorter ones are words like `postgres`, and no secrets
_NAMES_SECRET: Final = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|_KEY\Z", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"://(?P<user>[^:/@\s]*):(?P<password>[^@\s]+)@[^/]*/?(?P<database>[^?\s]*)")


def secrets_in(variables: Mapping[str, str], urls: Iterable[str] = ()) -> frozenset[str]:
    """The values of variables that are named as secrets are, and the passwords in all URLs, as they stand there and as they are meant."""
    named = (value for name, value in variables.items() if _NAMES_SECRET.search(name))
    passwords = (each for text in (*variables.values(), *urls) for each in _passwords(text))
    found = {value for value in (*named, *passwords) if len(value) >= _SHORTEST}
    return frozenset({*found, *map(unquote, found), *(quote(value, safe="") for value in found)})


def _passwords(text: str) -> Iterator[str]:
    """The password of a URL, when it is none that is named after its user or its database."""
    for match in _PASSWORD.finditer(text):
        if match["password"] not in (match["user"], match["database"]):
            yield match["password"]


def without(secrets: Iterable[str], data: Any) -> Any:
    """A text, or all texts in plain data, without the secrets; names of fields stay."""
    longest_first = sorted(secrets, key=len, reverse=True)
    return _replaced(re.compile("|".join(map(re.escape, longest_first))), data) if longest_first else data


def _replaced(pattern: re.Pattern[str], data: Any) -> Any:
    if isinstance(data, str):
        return pattern.sub(HIDDEN, data)
    if isinstance(data, dict):
        return {key: _replaced(pattern, value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_replaced(pattern, value) for value in data]
    return data
