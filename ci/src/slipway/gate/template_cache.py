"""A template of the database after the old revisions.

It is built once per run, and copied by every layer that examines the new ones.
On a server that persists, the template remains under a name with the hash of its inputs, together with the stairway's
results. The next run then executes only the new revisions.
"""

import base64
import hashlib
import json
import os
import platform
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

import alembic
import sqlalchemy
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection

import slipway
from slipway.gate.databases import create, may_have_created_roles
from slipway.gate.history import Node
from slipway.gate.layers import seeds
from slipway.gate.layers.from_empty import Leftovers
from slipway.gate.layers.stairway import Stairway, Steps
from slipway.gate.measure.catalog import Change, Line
from slipway.gate.measure.session import begin_beside
from slipway.gate.steps import Baseline
from slipway.migration import alembic_config
from slipway.migration.database import with_connection

_PREFIX = "slipway_template_"
_EXISTING = text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)")
_COMMENT = text("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = :name")
_ROLES = text("SELECT count(*) FROM pg_roles")


@contextmanager
def after_old(empty: Baseline) -> Iterator[tuple[Baseline, Mapping[str, Steps]]]:
    """Run the old revisions. Yield the baseline after them, and their results.

    When they fail, or create roles, which belong to the server, yield the empty baseline and no results.
    """
    if not (old := empty.history.before_new):
        yield empty, {}
        return
    with empty.database() as template:
        before = with_connection(empty.server, lambda connection: connection.scalar(_ROLES))
        result = Stairway(empty, 0, len(old), trace=False).climb_in(template)
        after = with_connection(empty.server, lambda connection: connection.scalar(_ROLES))
        if result.is_complete and before == after and not may_have_created_roles():
            yield replace(empty, template=template, old=len(old)), result.steps
            return
    yield empty, {}


@dataclass(frozen=True)
class Cached:
    """A cached template, the stairway's results for the old revisions, and what these leave in a run of all; None when that is unknown."""

    template: URL
    steps: Mapping[str, Steps]
    left: Leftovers | None

    def after(self, empty: Baseline) -> tuple[Baseline, Mapping[str, Steps]]:
        """Return the baseline after the old revisions, and their results."""
        return replace(empty, template=self.template, old=len(self.steps)), self.steps


class TemplateCache:
    """The template of one history on its server. Its comment contains the stairway's results for the old revisions."""

    def __init__(self, empty: Baseline, postgres: str) -> None:
        self._empty = empty
        self._old = empty.history.before_new
        self._name = f"{_PREFIX}{_digest(self._old, empty, postgres)[:24]}"

    def find(self) -> "Cached | None":
        """Return the cached template; None when there is none, or when another version of slipway wrote its comment."""
        named = {"name": self._name}
        comment = with_connection(self._empty.server, lambda connection: connection.scalar(_COMMENT, named))
        try:
            steps, left = _unpacked(comment) if comment else ({}, None)
        except (ValueError, TypeError, AttributeError, KeyError, zlib.error):
            return None
        template = self._empty.server.set(database=self._name)
        return Cached(template, steps, left) if steps.keys() == {node.id for node in self._old} else None

    def store(self, template: URL, steps: Mapping[str, Steps]) -> None:
        """Store a template and its results, and drop all other templates."""
        with_connection(
            self._empty.server, lambda connection: self._store(connection, template, self._packed(steps, None))
        )

    def note(self, steps: Mapping[str, Steps], left: Leftovers) -> None:
        """Store with the template what the old revisions leave in a run of all revisions.

        A server that is stopped afterwards keeps this only if a database was created, too: the first run with rows
        creates some.
        """
        comment = text(f"COMMENT ON DATABASE {self._name} IS '{self._packed(steps, left)}'")
        with_connection(self._empty.server, lambda connection: connection.execute(comment))

    def _packed(self, steps: Mapping[str, Steps], left: Leftovers | None) -> str:
        return _packed({node.id: steps[node.id] for node in self._old}, left)

    def with_known_rows(self, baseline: Baseline) -> Baseline:
        """Return the baseline with the templates that hold rows, as far as they exist."""
        url = self._empty.server
        known = with_connection(url, lambda connection: connection.scalars(_EXISTING, {"prefix": self._name}).all())
        filled = {plain: url.set(database=self._filled_name(plain=plain)) for plain in (False, True)}
        return replace(baseline, filled={plain: each for plain, each in filled.items() if each.database in known})

    def _filled_name(self, *, plain: bool) -> str:
        return f"{self._name}_{'plain' if plain else 'rows'}"

    def filled(self, baseline: Baseline, search_path: str, version_table: str) -> Baseline:
        """Return the baseline with templates that have rows.

        Create them when they are missing; without them, each layer would fill its own database.
        """
        url = self._empty.server
        filled = dict(self.with_known_rows(baseline).filled)

        def fill(connection: Connection, *, plain: bool) -> None:
            begin_beside(connection.connection, search_path)
            seeds.fill_all(connection.connection, version_table, baseline.samples, plain=plain)

        for plain in {False, True} - filled.keys():
            name = self._filled_name(plain=plain)
            with baseline.database() as database:
                with_connection(database, partial(fill, plain=plain))
                with_connection(url, partial(create, name=name, template=database.database))
            filled[plain] = url.set(database=name)
        return replace(baseline, filled=filled)

    def _store(self, connection: Connection, template: URL, comment: str) -> None:
        for name in connection.scalars(_EXISTING, {"prefix": _PREFIX}).all():
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        create(connection, self._name, template=template.database)
        connection.execute(text(f"COMMENT ON DATABASE {self._name} IS '{comment}'"))


def _packed(steps: Mapping[str, Steps], left: Leftovers | None) -> str:
    """Encode results without quotes, colons and percent signs, which drivers would interpret.

    Old revisions have neither failures nor traced statements.
    """
    plain = {
        revision: {
            step: [each.fingerprints[step], _plain(change.added), _plain(change.removed)]
            for step, change in each.changes.items()
        }
        for revision, each in steps.items()
    }
    whole = {"steps": plain, "left": asdict(left) if left else None}
    return base64.b64encode(zlib.compress(json.dumps(whole).encode())).decode()


def _plain(lines: Iterable[Line]) -> list[tuple[str, str, str]]:
    return [(line.kind, line.name, line.definition) for line in lines]


def _unpacked(comment: str) -> tuple[Mapping[str, Steps], Leftovers | None]:
    """Decode results. The general reader of records would take ten times as long."""
    plain = json.loads(zlib.decompress(base64.b64decode(comment)))
    left = plain["left"] and {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain["left"].items()
    }
    steps = {
        revision: Steps(
            changes={step: Change(_lines(added), _lines(removed)) for step, (_, added, removed) in steps.items()},
            fingerprints={step: fingerprint for step, (fingerprint, *_) in steps.items()},
        )
        for revision, steps in plain["steps"].items()
    }
    return steps, Leftovers(**left) if left else None


def _lines(plain: Iterable[tuple[str, str, str]]) -> tuple[Line, ...]:
    return tuple(Line(*line) for line in plain)


def _digest(old: Sequence[Node], empty: Baseline, postgres: str) -> str:
    """Return a hash of a template's inputs: which revisions are old, the files on which they depend, settings, versions."""
    versions = (slipway.__version__, platform.python_version(), sqlalchemy.__version__, alembic.__version__, postgres)
    config = empty.environment.config
    called = (config.config_ini_section, *(config.cmd_opts.x or () if config.cmd_opts else ()))
    initial = empty.initial.digest if empty.initial else ""
    server = (*empty.extensions, initial, empty.role.value, empty.server.get_driver_name())
    inputs = (*versions, *server, *called, *(node.id for node in old), repr(sorted(empty.samples.items())))
    total = hashlib.sha256("\0".join(inputs).encode())
    for path in sorted(_files(empty, old)):
        total.update(f"\0{path}\0".encode() + Path(path).read_bytes())
    return total.hexdigest()


def _files(empty: Baseline, old: Sequence[Node]) -> set[str]:
    """Return the files on which old revisions depend. Imports inside of their functions are unknown before they run.

    The files are texts, because a long history has hundreds of them and making a path takes thirty times as long.
    """
    environment, script = empty.environment, empty.environment.script
    folders: tuple[str | Path, ...] = (script.dir, *script._version_locations)  # noqa: SLF001 -- one folder or several
    below = (each for folder in folders for each in os.walk(folder) if "__pycache__" not in each[0])
    beside = (f"{folder}/{name}" for folder, _, names in below for name in names)
    imported = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    ours = (file for file in imported if file and environment.is_own(file))
    resolved = cache(os.path.realpath)

    def real(paths: Iterable[str]) -> set[str]:
        return {f"{resolved(folder)}/{name}" for folder, _, name in (path.rpartition("/") for path in paths)}

    revisions = real(node.script.path for node in old)
    new = real(node.script.path for node in empty.history.nodes) - revisions
    files = real((*beside, *ours, *alembic_config.files(environment.config)))
    return set(filter(os.path.isfile, files)) - new | revisions
