"""The incremental reading of a catalog equals a full one."""

import re
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipway.gate.measure.catalog import Catalog
from slipway.gate.measure.session import note_change

BASE = """
CREATE SCHEMA other;
CREATE TYPE mood AS ENUM ('calm', 'wild');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CONSTRAINT above CHECK (VALUE > 0);
CREATE TABLE parent (id int PRIMARY KEY, a int, b text DEFAULT 'x', m mood, d positive,
    CONSTRAINT check_a CHECK (a > 0), CONSTRAINT unique_b UNIQUE (b));
CREATE TABLE child (id int PRIMARY KEY, parent_id int CONSTRAINT to_parent REFERENCES parent);
CREATE TABLE plain (id int);
CREATE INDEX index_a ON parent (a);
CREATE STATISTICS stats ON a, b FROM parent;
CREATE VIEW seen AS SELECT a, b FROM parent;
CREATE MATERIALIZED VIEW kept AS SELECT a FROM parent;
CREATE FUNCTION one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE TABLE defaulted (x int DEFAULT one(1));
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION touch();
CREATE POLICY mine ON parent USING (a > 0);
CREATE RULE silent AS ON INSERT TO child DO ALSO NOTHING;
CREATE SEQUENCE numbers;
CREATE TABLE ranged (id int) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF ranged FOR VALUES FROM (0) TO (10);
GRANT UPDATE (a) ON parent TO pg_monitor
"""

CHANGES = """
ALTER TABLE parent ADD COLUMN n int
ALTER TABLE parent DROP COLUMN a CASCADE
ALTER TABLE parent RENAME COLUMN a TO z
ALTER TABLE parent RENAME TO elder
ALTER TABLE parent SET SCHEMA other
ALTER TABLE plain ALTER COLUMN id TYPE bigint
ALTER TABLE parent ALTER COLUMN a SET NOT NULL
ALTER TABLE parent ALTER COLUMN b DROP DEFAULT
ALTER TABLE parent ALTER COLUMN b SET DEFAULT 'y'
ALTER TABLE parent ALTER COLUMN a SET (n_distinct = 5)
ALTER TABLE plain ADD COLUMN g int GENERATED ALWAYS AS (id * 2) STORED
ALTER TABLE plain ADD COLUMN i int GENERATED ALWAYS AS IDENTITY
ALTER TABLE parent SET (fillfactor = 50)
ALTER TABLE plain SET UNLOGGED
ALTER TABLE parent OWNER TO pg_monitor
ALTER TABLE parent ENABLE ROW LEVEL SECURITY
ALTER TABLE parent REPLICA IDENTITY FULL
ALTER TABLE parent CLUSTER ON index_a
CREATE TABLE kid () INHERITS (plain)
DROP TABLE parent CASCADE
CREATE TABLE high PARTITION OF ranged FOR VALUES FROM (10) TO (20)
ALTER TABLE ranged DETACH PARTITION low
CREATE INDEX ON ranged (id)
ALTER TABLE parent RENAME CONSTRAINT unique_b TO unique_text
ALTER TABLE parent DROP CONSTRAINT parent_pkey CASCADE
ALTER TABLE child DROP CONSTRAINT to_parent
ALTER TABLE child ALTER CONSTRAINT to_parent DEFERRABLE
ALTER TABLE plain ADD CONSTRAINT few CHECK (id < 5) NOT VALID
CREATE INDEX index_m ON parent (m)
DROP INDEX index_a
ALTER INDEX index_a RENAME TO index_z
ALTER TYPE mood ADD VALUE 'sad'
ALTER TYPE mood RENAME VALUE 'calm' TO 'still'
ALTER TYPE mood RENAME TO temper
DROP TYPE mood CASCADE
GRANT USAGE ON TYPE mood TO pg_monitor
CREATE TYPE colour AS ENUM ('red')
CREATE TYPE span AS RANGE (subtype = int)
ALTER TYPE pair ADD ATTRIBUTE c int
ALTER TYPE pair RENAME ATTRIBUTE a TO z
DROP TYPE pair
ALTER DOMAIN positive SET NOT NULL
ALTER DOMAIN positive SET DEFAULT 3
ALTER DOMAIN positive ADD CONSTRAINT below CHECK (VALUE < 100)
ALTER DOMAIN positive DROP CONSTRAINT above
ALTER DOMAIN positive RENAME CONSTRAINT above TO over
ALTER DOMAIN positive RENAME TO natural_number
DROP DOMAIN positive CASCADE
CREATE STATISTICS more ON a, m FROM parent
ALTER STATISTICS stats RENAME TO figures
ALTER STATISTICS stats SET SCHEMA other
DROP STATISTICS stats
CREATE OR REPLACE VIEW seen AS SELECT a, b, 1 AS c FROM parent
ALTER VIEW seen RENAME TO viewed
ALTER VIEW seen SET (security_barrier = true)
DROP VIEW seen
CREATE INDEX ON kept (a)
DROP MATERIALIZED VIEW kept
CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2'
CREATE OR REPLACE FUNCTION one(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2'
ALTER FUNCTION one(int) RENAME TO uno
ALTER FUNCTION one(int) STABLE
DROP FUNCTION one(int) CASCADE
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)
CREATE PROCEDURE act() LANGUAGE sql AS 'SELECT 1'
ALTER TRIGGER touched ON parent RENAME TO moved
ALTER TABLE parent DISABLE TRIGGER touched
DROP TRIGGER touched ON parent
ALTER POLICY mine ON parent USING (a > 1)
ALTER POLICY mine ON parent RENAME TO yours
DROP POLICY mine ON parent
ALTER RULE silent ON child RENAME TO quiet
DROP RULE silent ON child
ALTER SEQUENCE numbers INCREMENT 2
DROP SEQUENCE numbers
CREATE SCHEMA third
ALTER SCHEMA other RENAME TO another
DROP SCHEMA other
CREATE EXTENSION pg_trgm
COMMENT ON TABLE parent IS 'said'
COMMENT ON COLUMN parent.a IS 'said'
COMMENT ON INDEX index_a IS 'said'
COMMENT ON CONSTRAINT check_a ON parent IS 'said'
COMMENT ON CONSTRAINT above ON DOMAIN positive IS 'said'
COMMENT ON TRIGGER touched ON parent IS 'said'
COMMENT ON POLICY mine ON parent IS 'said'
COMMENT ON RULE silent ON child IS 'said'
COMMENT ON FUNCTION one(int) IS 'said'
COMMENT ON TYPE mood IS 'said'
COMMENT ON SCHEMA other IS 'said'
COMMENT ON STATISTICS stats IS 'said'
GRANT SELECT ON parent TO pg_monitor
GRANT SELECT (a) ON parent TO PUBLIC
GRANT SELECT (a) ON parent TO pg_monitor
REVOKE UPDATE (a) ON parent FROM pg_monitor
GRANT EXECUTE ON FUNCTION one(int) TO pg_monitor
GRANT USAGE ON SCHEMA other TO pg_monitor
REVOKE ALL ON SCHEMA public FROM PUBLIC
"""

NO_CHANGES = """
INSERT INTO plain VALUES (1)
TRUNCATE plain
SELECT nextval('numbers')
REFRESH MATERIALIZED VIEW kept
REINDEX TABLE parent
CREATE TEMPORARY TABLE scratch (id int)
"""


class Session:
    """A connection as the gate has it, without SQLAlchemy's idea of transactions."""

    def __init__(self, database: str) -> None:
        url = sa.make_url(database).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"prepare_threshold": None})
        self.pooled = engine.raw_connection()
        self.driver: psycopg.Connection = self.pooled.driver_connection

    def run(self, statement: str) -> psycopg.Cursor:
        return self.driver.execute(statement)

    def run_alone(self, statement: str) -> None:
        """Outside any transaction, as `op.get_context().autocommit_block()` does."""
        self.driver.commit()
        self.driver.autocommit = True
        try:
            self.driver.execute(statement)
        finally:
            self.driver.autocommit = False


@contextmanager
def session_of(database: str) -> Iterator[Session]:
    session = Session(database)
    with closing(session.pooled):
        yield session


def lines(catalog: Catalog) -> set[str]:
    return set(map(str, catalog.lines))


@pytest.mark.parametrize("statement", CHANGES.strip().splitlines())
def test_a_change_is_noticed_in_its_own_transaction(furnished: Session, statement):
    catalog = Catalog(furnished.pooled)
    before = catalog.fingerprint
    catalog.begin()
    furnished.run(statement)
    assert catalog.read()
    assert lines(catalog) == lines(Catalog(furnished.pooled))
    assert catalog.fingerprint != before


def test_a_change_is_noticed_where_no_object_is_rare(database):
    """Most services have neither functions nor views, and get a shorter query."""
    rare = re.compile(
        r"CREATE (DOMAIN|STATISTICS|VIEW|MATERIALIZED|FUNCTION|TRIGGER|POLICY|RULE|TABLE (defaulted|ranged|low))"
    )
    noticed = []
    with session_of(database) as session:
        for statement in BASE.replace(", d positive", "").split(";\n"):
            if not rare.match(statement.strip()):
                session.run(statement)
        session.driver.commit()
        for statement in sorted(CHANGES.strip().splitlines(), key=lambda each: "GRANT" in each or "REVOKE" in each):
            catalog = Catalog(session.pooled, noted=True)
            catalog.begin()
            note_change(session.pooled, statement)
            with suppress(
                psycopg.errors.UndefinedObject, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction
            ):
                session.run(statement)
                assert catalog.read(), statement
                assert lines(catalog) == lines(Catalog(session.pooled)), statement
                noticed.append(statement)
            session.driver.rollback()
    assert len(noticed) > 50


@pytest.mark.parametrize("statement", NO_CHANGES.strip().splitlines())
def test_a_statement_that_leaves_the_schema_alone_is_no_change(furnished: Session, statement):
    catalog = Catalog(furnished.pooled)
    catalog.begin()
    furnished.run(statement)
    assert not catalog.read()


@pytest.fixture(scope="module")
def furnished_database(postgres) -> Iterator[Session]:
    name = f"test_{secrets.token_hex(6)}"
    with session_of(postgres.url) as admin:
        admin.run_alone(f"CREATE DATABASE {name}")
        with session_of(f"{postgres.url.rpartition('/')[0]}/{name}") as session:
            for statement in BASE.split(";\n"):
                session.run(statement)
            session.driver.commit()
            yield session
        admin.run_alone(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def furnished(furnished_database: Session) -> Iterator[Session]:
    """A database with one object of each kind; the changes of a test are rolled back."""
    yield furnished_database
    furnished_database.driver.rollback()


def test_an_undone_change_restores_the_fingerprint(furnished: Session):
    catalog = Catalog(furnished.pooled)
    before = catalog.fingerprint
    catalog.begin()
    furnished.run("CREATE TABLE fleeting (id int)")
    catalog.read()
    assert catalog.fingerprint != before
    furnished.run("DROP TABLE fleeting")
    catalog.read()
    assert catalog.fingerprint == before


def test_the_order_of_columns_is_no_part_of_the_schema(furnished: Session):
    catalog = Catalog(furnished.pooled)
    before = catalog.fingerprint
    catalog.begin()
    furnished.run("ALTER TABLE parent DROP COLUMN d")
    furnished.run("ALTER TABLE parent ADD COLUMN d positive")
    catalog.read()
    assert catalog.fingerprint == before


def test_members_of_an_extension_are_ignored(furnished: Session):
    catalog = Catalog(furnished.pooled)
    catalog.begin()
    furnished.run("CREATE EXTENSION pg_trgm")
    assert [line.kind for line in catalog.read().added] == ["extension"]


def test_other_sessions_may_commit_meanwhile(database):
    with session_of(database) as session, session_of(database) as other:
        catalog = Catalog(session.pooled)
        catalog.begin()
        session.run("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        catalog.read()
        other.run("SELECT pg_current_xact_id()")
        other.driver.commit()
        catalog.read()
        session.run("CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2'")
        assert [line.name for line in catalog.read().added] == ["public.two()"]


def test_a_relation_is_called_by_its_qualified_name(furnished: Session):
    table, index = furnished.run("SELECT 'parent'::regclass::oid::text, 'index_a'::regclass::oid::text").fetchone()
    catalog = Catalog(furnished.pooled)
    assert catalog.name_of(table) == "public.parent"
    assert catalog.name_of(index) is None


def test_two_histories_that_end_alike_have_one_fingerprint(database):
    with session_of(database) as session:
        session.run("CREATE TABLE one (a int, b text NOT NULL)")
        at_once = Catalog(session.pooled).fingerprint
        session.driver.rollback()
        session.run("CREATE TABLE two (b text)")
        session.run("ALTER TABLE two ADD COLUMN a int")
        session.run("ALTER TABLE two ALTER COLUMN b SET NOT NULL")
        session.run("ALTER TABLE two RENAME TO one")
        assert Catalog(session.pooled).fingerprint == at_once


COMMITTED = """
ALTER TABLE apple ALTER b SET DEFAULT 'y'
ALTER TABLE apple ALTER b DROP DEFAULT
ALTER TYPE kind ADD VALUE 'two'
COMMENT ON CONSTRAINT rule_a ON apple IS 'said'
"""


@pytest.mark.parametrize("statement", COMMITTED.strip().splitlines())
def test_a_change_is_noticed_when_it_was_committed_too(database, statement):
    with session_of(database) as session:
        session.run("CREATE TYPE kind AS ENUM ('one')")
        session.run("CREATE TABLE apple (a int CONSTRAINT rule_a CHECK (a > 0), b text DEFAULT 'x', c kind)")
        session.driver.commit()
        catalog = Catalog(session.pooled)
        catalog.begin()
        session.run_alone(statement)
        assert catalog.read()
        assert lines(catalog) == lines(Catalog(session.pooled))


def test_an_index_that_is_not_valid_is_another_than_one_that_is(database):
    with session_of(database) as session:
        session.run("CREATE TABLE apple (a int)")
        session.run("INSERT INTO apple VALUES (1), (1)")
        catalog = Catalog(session.pooled)
        catalog.begin()
        with pytest.raises(psycopg.errors.UniqueViolation):
            session.run_alone("CREATE UNIQUE INDEX CONCURRENTLY once ON apple (a)")
        assert [line.definition.split()[-1] for line in catalog.read().added if line.kind == "index"] == ["INVALID"]


# A small world, so that statements often use objects of others.
WORLD = """
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
CREATE TYPE kind AS ENUM ('one');
CREATE TABLE apple (a int PRIMARY KEY, b text DEFAULT 'x', c kind);
CREATE TABLE pear (a int, b text);
ALTER TABLE apple ADD CONSTRAINT rule_a CHECK (a > 0);
CREATE INDEX index_a ON pear (b);
CREATE VIEW seen AS SELECT a AS it FROM pear;
CREATE FUNCTION act() RETURNS text LANGUAGE sql AS 'SELECT 1'
"""
TEMPLATES = """
CREATE TABLE IF NOT EXISTS {table} (a int UNIQUE, b text DEFAULT 'x', c kind)
DROP TABLE IF EXISTS {table} CASCADE
ALTER TABLE IF EXISTS {table} RENAME TO {other}
ALTER TABLE IF EXISTS {table} ADD COLUMN IF NOT EXISTS {column} {type}
ALTER TABLE IF EXISTS {table} DROP COLUMN IF EXISTS {column} CASCADE
ALTER TABLE IF EXISTS {table} RENAME COLUMN {column} TO {spare}
ALTER TABLE {table} ALTER COLUMN {column} TYPE {type} USING NULL
ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL
ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT
ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT NULL
CREATE INDEX IF NOT EXISTS index_{column} ON {table} ({spare})
CREATE INDEX CONCURRENTLY IF NOT EXISTS index_{column} ON {table} ({spare})
DROP INDEX IF EXISTS index_{column}
DROP INDEX CONCURRENTLY IF EXISTS index_{column}
ALTER INDEX IF EXISTS index_{column} RENAME TO index_{spare}
ALTER TABLE {table} ADD CONSTRAINT rule_{column} CHECK ({spare} IS NOT NULL)
ALTER TABLE {table} ADD CONSTRAINT rule_{column} UNIQUE ({spare})
ALTER TABLE {table} ADD CONSTRAINT rule_{column} FOREIGN KEY (a) REFERENCES {other} (a)
ALTER TABLE {table} RENAME CONSTRAINT rule_{column} TO rule_{spare}
ALTER TABLE IF EXISTS {table} DROP CONSTRAINT IF EXISTS rule_{column}
ALTER TYPE kind ADD VALUE IF NOT EXISTS {label}
ALTER TYPE kind RENAME VALUE {label} TO {other_label}
DROP TYPE IF EXISTS extra CASCADE
CREATE TYPE extra AS ENUM ({label})
CREATE OR REPLACE VIEW seen AS SELECT {column} AS it FROM {table}
DROP VIEW IF EXISTS seen CASCADE
ALTER VIEW IF EXISTS seen RENAME TO viewed
CREATE OR REPLACE FUNCTION act() RETURNS text LANGUAGE sql AS $$ SELECT {label} $$
DROP FUNCTION IF EXISTS act() CASCADE
COMMENT ON TABLE {table} IS {comment}
COMMENT ON COLUMN {table}.{column} IS {comment}
COMMENT ON CONSTRAINT rule_{column} ON {table} IS {comment}
COMMENT ON FUNCTION act() IS {comment}
GRANT SELECT ON {table} TO {role}
REVOKE SELECT ON {table} FROM {role}
GRANT SELECT ({column}) ON {table} TO {role}
GRANT UPDATE ({column}) ON {table} TO {role}
REVOKE UPDATE ({column}) ON {table} FROM {role}
INSERT INTO {table} DEFAULT VALUES
"""


@dataclass(frozen=True)
class Step:
    """A statement, whether it is its own transaction, and whether another session commits before it."""

    statement: str
    alone: bool
    crowded: bool

    def run(self, session: Session, other: Session) -> None:
        if self.crowded:
            other.run("SELECT pg_current_xact_id()")
            other.driver.commit()
        if self.alone or "CONCURRENTLY" in self.statement:
            session.run_alone(self.statement)
        else:
            session.run(self.statement)


@st.composite
def steps(draw) -> Step:
    tables, columns, labels = (
        st.permutations(names) for names in (["apple", "pear"], ["a", "b", "c"], ["'one'", "'two'"])
    )
    table, other = draw(tables)
    column, spare, _ = draw(columns)
    label, other_label = draw(labels)
    statement = draw(st.sampled_from(TEMPLATES.strip().splitlines())).format(
        table=table,
        other=other,
        column=column,
        spare=spare,
        label=label,
        other_label=other_label,
        type=draw(st.sampled_from(["bigint", "varchar(20)", "kind"])),
        comment=draw(st.sampled_from(["'said'", "NULL"])),
        role=draw(st.sampled_from(["pg_monitor", "PUBLIC"])),
    )
    return Step(statement, alone=draw(st.booleans()), crowded=draw(st.booleans()))


@pytest.mark.slow
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transactions=st.lists(st.lists(steps(), min_size=1, max_size=5), min_size=1, max_size=6))
def test_an_incremental_reading_equals_a_full_one(database, transactions):
    with session_of(database) as session, session_of(database) as other:
        for statement in WORLD.split(";\n"):
            session.run(statement)
        session.driver.commit()
        catalog = Catalog(session.pooled)
        for transaction in transactions:
            catalog.begin()
            try:
                for step in transaction:
                    step.run(session, other)
                    catalog.read()
                    assert lines(catalog) == lines(Catalog(session.pooled))
            except psycopg.Error:  # a statement that cannot be run here
                session.driver.rollback()
                catalog = Catalog(session.pooled)
            session.driver.commit()
            assert catalog.fingerprint == Catalog(other.pooled).fingerprint
            other.driver.commit()
