"""Secrets that the service's own code may print or raise, removed from everything that is written."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

HIDDEN: Final = "***"
_SHORTEST: Final = 8  # shorter values are words like `postgres`
_NAMES_SECRET: Final = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|_KEY\Z", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"://(?P<user>[^:/@\s]*):(?P<password>[^@\s]+)@[^/]*/?(?P<database>[^?\s]*)")


def secrets_in(variables: Mapping[str, str], urls: Iterable[str] = ()) -> frozenset[str]:
    """Return the values of variables with the name of a secret, and all passwords in URLs, quoted and unquoted."""
    named = (value for name, value in variables.items() if _NAMES_SECRET.search(name))
    passwords = (each for text in (*variables.values(), *urls) for each in _passwords(text))
    values = {value for value in (*named, *passwords) if len(value) >= _SHORTEST}
    return frozenset({*values, *map(unquote, values), *(quote(value, safe="") for value in values)})


def _passwords(text: str) -> Iterator[str]:
    """Yield the passwords of URLs, except those equal to the user or the database."""
    for match in _PASSWORD.finditer(text):
        if match["password"] not in (match["user"], match["database"]):
            yield match["password"]


def without(secrets: Iterable[str], data: Any) -> Any:
    """Replace the secrets in a text or in all values of plain data; keys stay."""
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
