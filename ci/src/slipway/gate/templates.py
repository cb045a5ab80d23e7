"""What is old is upgraded once in a run, and every layer that looks at what is new begins with a copy of it.

On a server that is kept for the next run, the template stays there under the hash of all that made it, with what the stairway saw on the way up: then a
change costs what it changes.
"""

import base64
import hashlib
import itertools
import json
import platform
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import alembic
import sqlalchemy
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection

import slipway
from slipway.gate.base import upgrade
from slipway.gate.databases import fresh
from slipway.gate.ground import Ground
from slipway.gate.history import History, Node
from slipway.gate.layers.stairway import Steps
from slipway.migration.database import with_connection
from slipway.migration.environment import Environment
from slipway.structure import MismatchError, read, write

_BEGINNING = "slipway_template_"
_ROLES = text("SELECT count(*) FROM pg_roles")

Seen = Mapping[str, Steps]


@contextmanager
def ground(environment: Environment, history: History, empty: Ground) -> Iterator[Ground]:
    """The ground with a template of what is old, dropped at the end.

    There is none when that fails, or when it made roles, which would outlive every copy but the last.
    """
    if not (old := old_of(history)):
        yield empty
        return
    with fresh(empty.server, empty.extensions) as template:
        before = with_connection(empty.server, lambda connection: connection.scalar(_ROLES))
        failed = upgrade(environment, template, old)
        if not failed and before == with_connection(empty.server, lambda connection: connection.scalar(_ROLES)):
            yield Ground(empty.server, empty.extensions, template, len(old))
            return
    yield empty


def old_of(history: History) -> tuple[Node, ...]:
    """The revisions before the first that is new."""
    return tuple(itertools.takewhile(lambda node: not node.new, history.nodes))


class Shelf:
    """Where the template of a history stays on its server, and what was seen on the way up."""

    def __init__(self, environment: Environment, history: History, empty: Ground, postgres: str) -> None:
        self._empty = empty
        self._old = old_of(history)
        self._name = f"{_BEGINNING}{_digest(environment, self._old, empty, postgres)[:24]}"

    def look(self) -> tuple[Ground, Seen] | None:
        """What is there, None when there is nothing for this history."""
        told = with_connection(self._empty.server, self._told)
        try:
            seen = _unpacked(told) if told else {}
        except (ValueError, MismatchError, zlib.error):  # of another version of slipway
            return None
        if not seen:
            return None
        return Ground(
            self._empty.server, self._empty.extensions, self._empty.server.set(database=self._name), len(self._old)
        ), seen

    def put(self, template: URL, seen: Seen) -> None:
        """Keep a template and what was seen, in the place of others."""
        told = _packed({node.id: seen[node.id] for node in self._old})
        with_connection(self._empty.server, lambda connection: self._put(connection, template, told))

    def _told(self, connection: Connection) -> str | None:
        told: str | None = connection.scalar(
            text("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = :name"),
            {"name": self._name},
        )
        return told

    def _put(self, connection: Connection, template: URL, told: str) -> None:
        others = text("SELECT datname FROM pg_database WHERE starts_with(datname, :beginning)")
        for name in connection.scalars(others, {"beginning": _BEGINNING}).all():
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {self._name} TEMPLATE {template.database}"))
        connection.execute(text(f"COMMENT ON DATABASE {self._name} IS '{told}'"))


def _packed(seen: Seen) -> str:
    """As a text without quotes, colons and per cent signs, so that no driver reads anything into it."""
    return base64.b64encode(zlib.compress(json.dumps(write(seen)).encode())).decode()


def _unpacked(told: str) -> Seen:
    plain = json.loads(zlib.decompress(base64.b64decode(told)))
    return {revision: read(Steps, steps) for revision, steps in plain.items()}


def _digest(environment: Environment, old: Sequence[Node], empty: Ground, postgres: str) -> str:
    """The hash of what makes a template: the old revisions, all that stands beside them or that they import, env.py, the settings, the versions."""
    versions = (slipway.__version__, platform.python_version(), sqlalchemy.__version__, alembic.__version__, postgres)
    total = hashlib.sha256("\0".join((*versions, *empty.extensions, empty.server.get_driver_name())).encode())
    for path in sorted(_files(environment, old)):
        total.update(f"\0{path}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _files(environment: Environment, old: Sequence[Node]) -> set[Path]:
    """Of revisions only those that are old. What a revision imports when it is run is not known yet."""
    script = environment.script
    revisions = {Path(node.script.path) for node in old}
    folders = (Path(script.dir), *map(Path, script._version_locations))  # noqa: SLF001 -- one folder or several, as paths
    beside = (
        path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    imported = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    others = {
        Path(environment.config.config_file_name or "alembic.ini"),
        *(Path(file) for file in imported if file and environment.is_own(file)),
    }
    every = {Path(each.path) for each in script.walk_revisions()}
    return {path.absolute() for path in (*beside, *others) if path not in every - revisions} | revisions
