"""No connection but to the gate's own database, whatever makes it; `decoy` is the production that must stay as it is."""

from dataclasses import replace
from types import SimpleNamespace

import psycopg
import pytest

from slipway.errors import BadInputError
from slipway.gate import redirection
from slipway.gate.kept_session import session_beside
from slipway.gate.measure import role
from slipway.gate.redirection import Place
from slipway.migration import database
from slipway.migration.events import listening
from slipway.records.gate import Role
from slipway.records.proof import Layer, Verdict
from tests.gate.conftest import revision_file

LAYERS = (Layer.TRACE,)

ENV = """\
import psycopg
import sqlalchemy as sa
from alembic import context
from sqlalchemy import pool

decoy = {decoy!r}


def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

"""
CREATOR = """
engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(decoy), poolclass=pool.NullPool)
with engine.connect() as connection:
    run(connection)
"""
ASYNC_CREATOR = """
import asyncio
from sqlalchemy.ext.asyncio import create_async_engine


async def main():
    engine = create_async_engine("postgresql+psycopg_async://", async_creator=lambda: psycopg.AsyncConnection.connect(decoy))
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""
# In one revision: each must reach the gate's database with the revision's role, and none the decoy.
CODE = """
    import os, subprocess, sys, psycopg
    from sqlalchemy import event, pool

    decoy = {decoy!r}
    with psycopg.connect(decoy) as own:
        own.execute("CREATE TABLE by_driver ()")

    given_token = sa.create_engine("postgresql+psycopg://", poolclass=pool.NullPool)
    @event.listens_for(given_token, "do_connect")
    def give_token(dialect, record, arguments, parameters):
        parameters.update(psycopg.conninfo.conninfo_to_dict(decoy), password="a token")

    engines = {{
        "by_engine": sa.create_engine(decoy.replace("://", "+psycopg://"), poolclass=pool.NullPool),
        "by_pool": sa.create_engine("postgresql+psycopg://", pool=pool.NullPool(lambda: psycopg.connect(decoy))),
        "by_listener": given_token,
    }}
    for name, engine in engines.items():
        with engine.begin() as second:
            second.execute(sa.text(f"CREATE TABLE {{name}} ()"))

    psycopg.pq.PGconn.connect(decoy.encode()).exec_(b"CREATE TABLE by_pgconn ()")
    program = "import marks, psycopg; assert marks.own; psycopg.connect({decoy!r}, autocommit=True).execute('CREATE TABLE by_program ()')"
    subprocess.run([sys.executable, "-c", program], check=True, env={{"PYTHONPATH": "own"}})
    named = op.get_bind().scalars(sa.text("SELECT tablename FROM pg_tables WHERE tablename LIKE 'by%' AND tableowner = current_user ORDER BY 1")).all()
    assert named == ["by_driver", "by_engine", "by_listener", "by_pgconn", "by_pool", "by_program"], named
"""


@pytest.fixture
def decoy(database):
    """A database that no test may write to; returns its URL."""
    yield database
    with psycopg.connect(database) as connection:
        written = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchall()
    assert written == []


@pytest.mark.parametrize("engine", [CREATOR, ASYNC_CREATOR], ids=["creator", "async_creator"])
def test_an_engine_whose_connections_a_function_makes_is_redirected_to_the_gates_database(prove_history, decoy, engine):
    env = ENV.replace("{decoy!r}", repr(decoy)) + engine
    proof = prove_history({"one": (None, "op.execute('CREATE TABLE a ()')", "op.drop_table('a')")}, env=env)
    assert proof.findings == ()
    assert proof.coverage.revisions == 1


@pytest.mark.parametrize(
    ("connection", "refusal"),
    [
        (
            "psycopg.Connection(psycopg.pq.PGconn.__base__.connect(decoy.encode()))",
            r"connects to the database test_\w+ of another server",
        ),
        ("__import__('ctypes').CDLL('libpq.so.5').PQconnectdb(decoy.encode())", "loads libpq.so.5 by ctypes"),
        ("__import__('psycopg2cffi').connect(decoy)", "connects by psycopg2cffi"),
        ("__import__('subprocess').run(['python3', '-Ic', 'pass'])", "starts python3 -Ic"),
    ],
)
def test_a_connection_that_cannot_be_redirected_is_refused_before_its_first_statement(
    prove_history, decoy, connection, refusal, tmp_path
):
    env = ENV.replace("{decoy!r}", repr(decoy)) + CREATOR.replace("psycopg.connect(decoy)", connection)
    drivers = tmp_path / "drivers"
    drivers.mkdir()
    (drivers / "psycopg2cffi.py").write_text("def connect(dsn): raise AssertionError")
    env = f"import sys\nsys.path.append({str(drivers)!r})\n{env}"
    with pytest.raises(BadInputError, match=refusal):
        prove_history({"one": (None, "pass", "pass")}, env=env)


def test_drivers_other_engines_and_programs_of_a_revision_are_redirected_there_too(prove_history, decoy, tmp_path):
    own = {"marks.py": "own = False", "sitecustomize.py": "import marks; marks.own = True"}
    for name, text in own.items():
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / name).write_text(text)
    proof = prove_history({"one": (None, CODE.format(decoy=decoy), "pass")})
    assert [finding.measured for finding in proof.findings if finding.fails] == []
    assert proof.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("place", "refusal"), [("", "is unreachable"), ("hostaddr=127.0.0.1", "connect to another one, by hostaddr")]
)
def test_the_server_itself_connects_to_no_other_one(prove_history, decoy, place, refusal):
    write = f"SELECT dblink_exec({place or decoy!r}, 'CREATE TABLE by_server ()')"
    body = f"op.execute('CREATE EXTENSION dblink')\nop.execute({write!r})"
    proof = prove_history({"one": (None, body, "pass")}, role=Role.SUPERUSER)
    assert [(each.rule, refusal in each.measured) for each in proof.findings if each.fails] == [("U01", True)]


def test_a_session_that_waits_for_its_own_revision_ends_in_time(prove_history, monkeypatch):
    monkeypatch.setattr(role, "LIMIT", role.LIMIT.replace("9999ms", "99ms"))
    waits = """
op.execute("LOCK TABLE b")
import psycopg
with psycopg.connect() as own:
    own.execute("ALTER TABLE b ADD c int")
"""
    revisions = {"one": (None, "op.execute('CREATE TABLE b (id int)')", "op.drop_table('b')")}
    revisions["two"] = ("one", waits, "pass")
    proof = prove_history(revisions)
    assert any("lock timeout" in finding.measured for finding in proof.failures)


def test_a_revision_that_connects_when_it_is_imported_is_redirected_to_the_gates_server(prove_history, decoy):
    connects = f"import psycopg\nwith psycopg.connect({decoy!r}) as imported:\n    assert imported.info.dbname.startswith('slipway_gate_')\n"
    file = revision_file("one", None, "", "") + connects
    assert prove_history({}, files={"migrations/versions/one.py": file}).findings == ()


PLACE = Place(host="/run/gate", port=7, user="me", password="word", database="ours", security={})
OWNED = replace(PLACE, session={"role": "owner"})


@pytest.mark.parametrize(
    ("arguments", "redirected"),
    [
        (
            ["psql", "postgresql://me:secret@production/notes", "-c", "SELECT 1"],
            ["psql", PLACE.url("postgresql", secret=False), "-c", "SELECT 1"],
        ),
        (["psql", "-qd", "ours", "-f", "notes.sql"], None),
        ("psql -f notes.sql", None),
        (["psql", "-h", "/run/gate", "-p7", "--dbname=ours", "-c", "SELECT 'host=here'"], None),
        (["git", "log", "-h", "production"], None),
    ],
)
def test_a_program_that_names_the_gates_database_or_none_is_started(arguments, redirected):
    assert redirection._redirected_arguments(arguments, PLACE) == (redirected or arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["psql", "-h", "production", "-c", "SELECT 1"], "psql with host=production"),
        (["/usr/bin/psql", "-qX", "notes"], "psql with dbname=notes"),
        (["psql", "host=production dbname=ours"], "psql with host=production"),
        (["sh", "-c", "pg_dump --host production | gzip > notes.gz"], "pg_dump with host=production"),
        ("cd .. && psql --dbname=notes < notes.sql", "psql with dbname=notes"),
        (["psql", "service=production"], "psql with service=production"),
    ],
)
def test_a_client_that_names_another_place_is_not_started(arguments, named):
    with pytest.raises(BadInputError, match=f"starts {named}, which is not"):
        redirection._redirected_arguments(arguments, PLACE)
    redirection._Process.refused.clear()


def test_programs_inherit_the_place_with_its_password_in_variables_and_in_no_argument():
    given = {"DATABASE_URL": "postgresql+asyncpg://me:secret@production/notes", "HOME": "/home/me"}
    redirected = redirection._variables(given, PLACE)
    assert redirected["DATABASE_URL"] == "postgresql+asyncpg://me:word@/ours?host=%2Frun%2Fgate&port=7"
    assert (redirected["PGHOST"], redirected["PGDATABASE"], redirected["PGPASSWORD"]) == ("/run/gate", "ours", "word")
    assert "HOME" not in redirected
    assert "word" not in "".join(redirection._redirected_arguments(["run", "--url", "postgres://production"], PLACE))


def test_a_program_with_variables_of_its_own_is_redirected_as_well():
    given = {"PGHOSTADDR": "10.0.0.1", "PGSERVICE": "production", "PGSSLMODE": "disable", "HOME": "/home/me"}
    place = replace(OWNED, security={"sslmode": "verify-full"})
    redirected = redirection._of_program({**given, "PGOPTIONS": "-c jit=off"}, place)
    assert redirected["PGOPTIONS"] == "-c role=owner -c jit=off"
    assert redirection._of_program(redirected, place)["PGOPTIONS"] == redirected["PGOPTIONS"]
    assert (redirected["PGHOST"], redirected["PGSSLMODE"], redirected["HOME"]) == (
        "/run/gate",
        "verify-full",
        "/home/me",
    )
    assert not {"PGHOSTADDR", "PGSERVICE"} & redirected.keys()


def test_a_program_that_os_starts_is_redirected_as_well(monkeypatch):
    monkeypatch.setattr(redirection._Process, "place", lambda: OWNED)
    start = redirection._led_program(lambda path, arguments, env: (arguments, env["PGDATABASE"], env["PGOPTIONS"]))
    redirected = ["psql", PLACE.url("postgresql", secret=False)]
    assert start("psql", ["psql", "postgresql://production"], {}) == (redirected, "ours", "-c role=owner")


def test_each_driver_is_given_its_own_names_for_the_place(monkeypatch):
    monkeypatch.setattr(redirection._Process, "place", lambda: OWNED)
    common = {"port": 7, "user": "me", "password": "word"}

    class CoreConnection:
        def __init__(self, user, host="localhost", startup_params=None, **parameters):
            self.made = {"user": user, "host": host, "startup_params": startup_params, **parameters}

    psycopg2 = SimpleNamespace(
        connect=lambda dsn, **made: (dsn, made), extensions=SimpleNamespace(parse_dsn=lambda dsn: {"dbname": dsn})
    )
    asyncpg = SimpleNamespace(connect=lambda dsn=None, **made: (dsn, made), connection=SimpleNamespace())
    pg8000 = SimpleNamespace(core=SimpleNamespace(CoreConnection=CoreConnection))
    for module, wrap in (
        (psycopg2, redirection._wrap_psycopg2),
        (asyncpg, redirection._wrap_asyncpg),
        (pg8000, redirection._wrap_pg8000),
    ):
        wrap(module)
    assert psycopg2.connect("notes", options="-c work_mem=1MB") == (
        None,
        {"host": "/run/gate", "dbname": "ours", "options": "-c work_mem=1MB", **common},
    )
    assert asyncpg.connection.connect("postgres://production", ssl=True, timeout=3) == (
        None,
        {"host": "/run/gate", "database": "ours", "timeout": 3, **common},
    )
    made = CoreConnection("boss", "production", database="notes", ssl_context=True, application_name="mine").made
    assert made == {
        "host": "localhost",
        "unix_sock": "/run/gate/.s.PGSQL.7",
        "database": "ours",
        "application_name": "mine",
        "startup_params": None,
        **common,
    }
    monkeypatch.setattr(redirection._Process, "is_started", True)
    assert psycopg2.connect(options="-c jit=off")[1]["options"] == "-c role=owner -c jit=off"
    assert asyncpg.connect(server_settings={"jit": "off"})[1]["server_settings"] == {"role": "owner", "jit": "off"}
    assert CoreConnection("boss", startup_params={}).made["startup_params"] == {"role": "owner"}


def test_a_gate_connects_and_makes_databases_no_oftener_than_its_layers_need(prove_history, monkeypatch):
    monkeypatch.setattr(database, "_unheard", lambda engine: engine)
    database._engine_without_pool.cache_clear()
    revisions = {
        "a": (None, 'op.execute("CREATE TABLE notes (id serial PRIMARY KEY)")', 'op.execute("DROP TABLE notes")'),
        "b": ("a", 'op.execute("ALTER TABLE notes ADD n int")', 'op.execute("ALTER TABLE notes DROP n")'),
    }
    connections, databases = [], []

    def executed(_connection, _cursor, statement, *_rest):
        databases.extend([statement] if statement.startswith("CREATE DATABASE") else [])

    with listening(connect=lambda _connection, record: connections.append(record), before_cursor_execute=executed):
        proof = prove_history(revisions, start_after="a", layers=tuple(Layer))
    assert proof.verdict is Verdict.PASS
    # The state after the released revision, and a copy of that for the stairway, rows, env.py's own transactions, releases and the lock queue.
    assert len([each for each in databases if "TEMPLATE" in each]) == 5
    # an empty one for all revisions together; the first is tried again when its owner does not exist yet
    assert len(databases) <= 8
    assert len(connections) <= 18  # one of them for the superuser, who fills and reads the tables between the steps


def test_a_session_beside_has_read_the_listeners_before_env_py_may_add_some(server_url):
    connected = []
    with listening(connect=lambda *_: connected.append(True)), session_beside(server_url):
        assert connected == [True]
