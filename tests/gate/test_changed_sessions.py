"""Changes of a session by a revision: reported, and undone before the next."""

import pytest

from slipway.gate.measure.session import begin_beside, prepare_once, query, taken_back
from slipway.migration.database import with_connection
from slipway.records.proof import Layer

LAYERS = (Layer.TRACE,)

ONE = {"one": (None, "op.execute('CREATE TABLE a (id int)')", "op.drop_table('a')")}
# The state of the next revision's session; the assertion fails when it has inherited anything.
AS_BEFORE = """
def one(sql):
    return op.get_bind().scalar(sa.text(sql))
assert one("SELECT current_user = session_user AND current_user = 'slipway_rds_superuser'"), one("SELECT current_user")
assert one("SHOW search_path") == '"$user", public'
assert one("SHOW session_replication_role") == "origin"
assert one("SELECT current_setting('app.tenant', true)") in (None, ""), one("SHOW app.tenant")
assert one("SHOW lock_timeout") == "2s"
op.execute("ALTER TABLE a ADD b int")
"""
TWO = ("two", AS_BEFORE, "op.drop_column('a', 'b')")


@pytest.mark.parametrize(
    "change",
    [
        "SET ROLE pg_monitor",
        "SET search_path TO pg_catalog",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "SET session_replication_role = replica",
        "SET app.tenant = 'north'",
        "SET lock_timeout = '9s'",
    ],
)
def test_a_session_that_a_revision_leaves_changed_is_reported_and_not_inherited(prove_history, change):
    proof = prove_history({**ONE, "two": ("one", f'op.execute("{change}")', "pass"), "three": TWO})
    assert [(each.rule, each.revision) for each in proof.findings] == [("T09", "two")]
    assert change in proof.findings[0].measured
    assert proof.coverage.revisions == 3


def test_what_ends_with_the_transaction_is_no_finding_and_not_inherited(prove_history):
    changes = 'op.execute("SET LOCAL search_path TO pg_catalog")\nop.execute("SET LOCAL lock_timeout = \'9s\'")'
    assert prove_history({**ONE, "two": ("one", changes, "pass"), "three": TWO}).findings == ()


def test_a_table_made_in_a_path_of_the_revision_is_found_again(prove_history):
    up = 'op.execute("SET LOCAL search_path TO other, public")\nop.execute("CREATE TABLE b (id int REFERENCES c)")'
    down = 'op.execute("DROP TABLE other.b")'
    schema = (
        'op.execute("CREATE SCHEMA other CREATE TABLE c (id int PRIMARY KEY)")',
        'op.execute("DROP SCHEMA other CASCADE")',
    )
    proof = prove_history({"one": (None, *schema), "two": ("one", up, down)})
    assert [each for each in proof.findings if each.fails] == []


def test_what_env_py_says_to_its_session_stays(prove_history):
    env = """\
import sqlalchemy as sa
from alembic import context

engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=sa.NullPool)
with engine.connect() as connection:
    connection.execute(sa.text("SET app.tenant = 'north'"))
    connection.commit()
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
    stays = "assert op.get_bind().scalar(sa.text('SHOW app.tenant')) == 'north'"
    changes = "op.execute(\"SET app.tenant = 'south'\")"
    proof = prove_history({"one": (None, stays, ""), "two": ("one", changes, ""), "three": ("two", stays, "")}, env=env)
    assert [(each.rule, each.revision) for each in proof.findings] == [("T09", "two")]


def test_autocommit_mode_that_is_left_on_is_reported_and_not_inherited(prove_history):
    leaves = """
raw = op.get_bind().connection.dbapi_connection
raw.commit()
raw.autocommit = True
op.execute("UPDATE a SET id = 1")
"""
    inherits = "assert not op.get_bind().connection.dbapi_connection.autocommit"
    history = {**ONE, "two": ("one", leaves, "pass"), "three": ("two", inherits, "pass")}
    proof = prove_history(history, layers=(Layer.TRACE, Layer.ROWS))
    (left,) = [each for each in proof.findings if each.rule in ("T09", "D01", "U01")]
    assert (left.rule, left.revision, left.measured) == ("T09", "two", "the connection is left in autocommit mode")


def test_an_advisory_lock_that_is_left_behind_is_reported(prove_history):
    takes = "op.execute('SELECT pg_advisory_lock(7)')"
    proof = prove_history({**ONE, "two": ("one", takes, "pass"), "three": ("two", takes, "pass")})
    assert [(each.rule, each.revision) for each in proof.findings] == [("Q10", "two"), ("Q10", "three")]


def test_a_statement_that_the_gate_has_prepared_survives_a_rollback_after_many_equal_queries(server_url):
    def session(connection):
        begin_beside(connection.connection, "public")
        prepare_once(connection.connection, "ours", "PREPARE ours AS SELECT 1")
        with taken_back(connection.connection, alone=True):
            for _ in range(7):
                query(connection.connection, "SELECT 2")
        return query(connection.connection, "EXECUTE ours")

    assert with_connection(server_url, session)[0] == (1,)
