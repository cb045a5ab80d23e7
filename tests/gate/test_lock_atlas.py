"""The lock atlas, run again: the effects of 129 statements on each Postgres major, measured by hand and by the tracer.

`lock-atlas.json` is that measurement, at 100 000 rows. The majors are those whose binaries are found where slipway looks for them, and in the
folders that POSTGRES_BINARIES names, like PATH.
"""

import json
import os
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from anyio.from_thread import start_blocking_portal
from sqlalchemy import create_engine, make_url, pool
from sqlalchemy.exc import DBAPIError

from slipway.errors import BadInputError
from slipway.gate.measure.catalog import Catalog
from slipway.gate.measure.locks import _SPOKEN
from slipway.gate.measure.place import running as in_step
from slipway.gate.measure.session import SESSION
from slipway.gate.measure.statements import Session
from slipway.gate.measure.trace import Tracer
from slipway.migration.database import every_connection_to
from slipway.postgres import binaries
from slipway.postgres.server import running

ATLAS = json.loads(Path(__file__).with_name("lock-atlas.json").read_text(encoding="utf-8"))
STATEMENTS = {statement["name"]: statement for statement in ATLAS["statements"]}
MAJORS = sorted({int(major) for statement in ATLAS["statements"] for major in statement["measured"]})
ROWS = 2000  # enough for an index to be worth its while to the planner

# Postgres refuses them in a transaction, the only place where the gate can watch: it runs them and says that it has not measured them.
UNMEASURED = frozenset(
    [
        "create index concurrently",
        "drop index concurrently",
        "reindex index concurrently",
        "detach partition concurrently",
        "vacuum",
    ]
)

# Where the tracer says more than the atlas, and why it is right.
LOCKED_HARDER = {
    # The atlas names the lock on the table. The index has ACCESS EXCLUSIVE, and every query of the table waits for it, see locks.py.
    "reindex index": {"parent": "ACCESS EXCLUSIVE"},
    "reindex table": {"parent": "ACCESS EXCLUSIVE"},
}
ALSO_READ = {
    # pdef1 is read for rows that its bounds forbid. It is empty: the atlas counts rows and found none, the tracer counts readings.
    "attach partition beside a populated default": {"pdef1"},
}


NAMED = [Path(folder) for folder in os.environ.get("POSTGRES_BINARIES", "").split(os.pathsep) if folder]


def named(folder):
    return binaries.inspect(folder, "POSTGRES_BINARIES")


def installations():
    """The server binaries found here, by major."""
    found = {}
    for major in MAJORS:
        try:
            there = binaries.find(major)
        except BadInputError:
            continue
        found[there.major] = there
    return found | {there.major: there for there in map(named, NAMED) if there}


HERE = installations()
MISSING = [str(major) for major in MAJORS if major not in HERE]


@dataclass(frozen=True)
class Place:
    """A server with the atlas' tables in the database `atlas`; `kinds` of its relations, and the table of each index."""

    url: str
    major: int
    kinds: Mapping[str, str]
    table_of: Mapping[str, str]

    def tables(self, names):
        """Those that are read by name: of sequences and indexes the tracer does not speak."""
        return {name for name in names if self.kinds[name] in {"r", "p", "m", "v"}}


@pytest.fixture(scope="module", params=[major for major in MAJORS if major in HERE], ids="PostgreSQL {}".format)
def place(request):
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running(HERE[request.param])) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE atlas")
        url = make_url(server.url)
        with psycopg.connect(url.set(database="atlas").render_as_string(False), autocommit=True) as connection:
            for sql in ATLAS["setup"]:
                connection.execute(sql.replace(":rows", str(ROWS)))
            kinds = connection.execute("SELECT relname, relkind FROM pg_class WHERE oid >= 16384").fetchall()
            indexes = connection.execute(
                "SELECT i.relname, t.relname FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_class t ON t.oid = indrelid"
            ).fetchall()
        yield Place(server.url, server.major, dict(kinds), dict(indexes))


@contextmanager
def cloned(place, name):
    """The URL of a fresh database with the atlas' tables."""
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE atlas STRATEGY FILE_COPY")
        try:
            yield make_url(place.url).set(database=name, drivername="postgresql+psycopg")
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def session(url, isolation_level):
    with every_connection_to(url, SESSION):
        service = create_engine(url, poolclass=pool.NullPool).connect()
    with service.execution_options(isolation_level=isolation_level):
        yield service, Catalog(service.connection)


@pytest.fixture(scope="module")
def shared(place):
    """A session for the statements that leave nothing behind, because they are rolled back."""
    with cloned(place, "shared") as url, session(url, "READ COMMITTED") as opened:
        yield opened


def traced(sql, service, catalog):
    """The statement as the gate records it when this file is the revision."""
    tracer = Tracer()
    with tracer.listening():
        try:
            tracer.watch(__file__, 1, Session.of(service), catalog)
            with in_step(__file__, 1):
                service.exec_driver_sql(sql)
            (statement,) = tracer.seen()
            return statement
        finally:
            service.rollback()


@pytest.fixture
def trace(place, shared):
    """Traces a statement of the atlas; one that is committed, as in alembic's autocommit_block(), has a database of its own."""

    def run(entry):
        if "undo" not in entry:
            return traced(entry["sql"], *shared)
        with cloned(place, "clone") as url, session(url, "AUTOCOMMIT") as opened:
            return traced(entry["sql"], *opened)

    return run


def unqualified(names):
    return {name.removeprefix("public.") for name in names}


def expected(place, name):
    """The atlas' entry for tables: locks, rewrites, and what was read whole.

    An index build reads its table. The atlas was measured with parallel workers, which hide that, the gate has none. So the tables whose
    indexes have new files are added here; those with new indexes the atlas does not tell, see `read_for_new_indexes`.
    """
    entry = STATEMENTS[name]["measured"][str(place.major)]
    rewritten = entry["rewrite"]
    locks = {table: _SPOKEN[entry["locks"][table]] for table in place.tables(entry["locks"])}
    indexed = {place.table_of[index] for index in rewritten if index in place.table_of}
    return (
        locks | LOCKED_HARDER.get(name, {}),
        place.tables(rewritten),
        {*entry["scan"], *indexed, *ALSO_READ.get(name, ())},
    )


def read_for_new_indexes(place, statement):
    return {
        table for table in unqualified(statement.builds) if place.kinds[table] != "p"
    }  # its partitions have the rows


@pytest.mark.slow
@pytest.mark.parametrize("name", STATEMENTS)
def test_the_tracer_agrees_with_the_atlas(place, trace, name):
    entry = STATEMENTS[name]
    if error := entry["measured"][str(place.major)].get("error"):
        with pytest.raises(DBAPIError) as refused:
            trace(entry)
        assert refused.value.orig.diag.message_primary == error
        return
    statement = trace(entry)
    seen = statement.locks, statement.rewrites, statement.scans
    if name in UNMEASURED:
        assert not statement.measured
        assert seen == ({}, (), ())
        return
    assert statement.measured
    locks, rewrites, scans = expected(place, name)
    assert {table.removeprefix("public."): mode for table, mode in statement.locks.items()} == locks
    assert unqualified(statement.rewrites) == rewrites
    assert unqualified(statement.scans) == scans | read_for_new_indexes(place, statement)


def test_every_major_of_the_atlas_is_here():
    if MISSING:
        pytest.skip(f"the lock atlas was not run on PostgreSQL {', '.join(MISSING)}: no server binaries of it here")


def test_every_folder_that_was_named_holds_a_server_that_starts():
    assert [folder for folder in NAMED if not named(folder)] == []


def test_every_statement_outside_the_common_way_is_one_of_the_atlas():
    assert STATEMENTS.keys() >= {*UNMEASURED, *LOCKED_HARDER, *ALSO_READ}
    assert {name for name, entry in STATEMENTS.items() if "undo" in entry} >= UNMEASURED


def test_the_atlas_has_every_statement_on_every_major():
    assert len(STATEMENTS) == len(ATLAS["statements"]) == 129
    assert all(sorted(map(int, entry["measured"])) == MAJORS for entry in STATEMENTS.values())
