"""The service's own database, by the variable with its URL; secrets are removed from all output.

For a container that has the service's own variables: only their names come from outside.
"""

import os
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from slipway.database_url import filled, parts_of
from slipway.errors import BadInputError
from slipway.migration.database import with_driver
from slipway.migration.secrets import secrets_in, without

_SHORTEST = 4  # declared secret; a shorter one would be part of many words


def own_database(variable: str, templates: Mapping[str, str]) -> URL:
    """Return the database in `variable` of this process, and fill missing variables from `templates`; raises BadInputError."""
    value = os.environ.get(variable)
    if not value:
        raise BadInputError(
            f"the container has no variable {variable} with the database's URL",
            "name it in database-variable of [tool.slipway.migrations], and its secret in the environment's secrets",
        )
    try:
        url = with_driver(make_url(value))
        parts = parts_of(value)
    except (ArgumentError, ValueError):
        raise BadInputError(
            f"the variable {variable} holds no URL of a database",
            "allowed is postgresql://user:password@host:port/database, with any driver",
        ) from None
    for name, template in templates.items():
        os.environ.setdefault(name, filled(template, parts))
    return url


@contextmanager
def discreet(names: Collection[str]) -> Iterator[None]:
    """Remove the values of these variables, and of those with the name of a secret, from all output of the block."""
    declared = {os.environ[name] for name in names if len(os.environ.get(name, "")) >= _SHORTEST}
    secrets = secrets_in(os.environ) | declared
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Discreet(stream, secrets) for stream in before)
    try:
        yield
    except Exception:  # noqa: BLE001 -- the interpreter would print it unfiltered
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.close()
        sys.stdout, sys.stderr = before


class _Discreet:
    """A stream that writes whole lines, because a secret may arrive in pieces."""

    def __init__(self, stream: TextIO, secrets: Collection[str]) -> None:
        self._stream = stream
        self._secrets = secrets
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._stream.write(without(self._secrets, line) + "\n")
        if lines:
            self._stream.flush()
        return len(text)

    def writelines(self, lines: Collection[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: an incomplete line waits for its end, the last one for `close`."""

    def close(self) -> None:
        """Write the rest; the underlying stream stays open."""
        self._stream.write(without(self._secrets, self._rest))
        self._rest = ""
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
