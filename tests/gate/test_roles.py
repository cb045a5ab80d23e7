"""The role of the revisions, and the roles that they create: these belong to the server and are dropped with their database."""

import psycopg
import pytest

from slipway.records.form import from_json
from slipway.records.gate import Role
from slipway.records.proof import Layer, Proof
from tests.gate.conftest import named

pytestmark = pytest.mark.slow

CREATES = {
    "one": (None, "op.execute('CREATE TABLE a (id int)')", "op.drop_table('a')"),
    "two": (
        "one",
        "op.execute('CREATE ROLE \"the reader\"')\nop.execute('GRANT SELECT ON a TO \"the reader\"')",
        "op.execute('REVOKE ALL ON a FROM \"the reader\"')\nop.execute('DROP ROLE \"the reader\"')",
    ),
    "three": ("two", "op.execute('ALTER TABLE a ADD b int')", "raise RuntimeError('no way back')"),
    "four": ("three", "op.execute('CREATE TABLE b (id int)')", "op.drop_table('b')"),
}


HIDDEN_ROWS = (
    None,
    """
op.execute("CREATE TABLE notes (id int PRIMARY KEY, tenant text NOT NULL DEFAULT 't', body text)")
op.execute("ALTER TABLE notes ENABLE ROW LEVEL SECURITY")
op.execute("ALTER TABLE notes FORCE ROW LEVEL SECURITY")
op.execute("CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant', true))")
""",
    "op.drop_table('notes')",
)


def roles(server):
    with psycopg.connect(server) as connection:
        return connection.execute("SELECT rolname FROM pg_roles").fetchall()


def test_roles_are_created_in_every_database_and_left_in_none(prove_history, server):
    before = roles(server)
    proof = prove_history(CREATES)
    assert [(each.rule, each.revision) for each in proof.findings if each.fails] == [("R02", "three")]
    assert proof.coverage.revisions == 4
    assert proof.coverage.gaps[0].startswith("models were not compared: env.py gives no target_metadata")
    assert roles(server) == before


@pytest.mark.parametrize(
    ("upgrade", "reported"),
    [
        ("REVOKE INSERT ON a FROM there_long", True),
        ("ALTER TABLE a ENABLE ROW LEVEL SECURITY", True),
        ("DROP TABLE a; CREATE TABLE a (id int)", True),
        ("GRANT UPDATE ON a TO there_long", False),
        ("ALTER TABLE a ALTER id SET NOT NULL", False),
    ],
)
def test_a_permission_that_other_roles_lose_is_not_covered(prove_history, server, upgrade, reported):
    grants = """
op.execute('CREATE ROLE there_long')
op.execute('CREATE TABLE a (id int)')
op.execute('GRANT SELECT, INSERT ON a TO there_long')
"""
    proof = prove_history({"one": (None, grants, "pass"), "two": ("one", f"op.execute('{upgrade}')", "pass")})
    assert any(gap.startswith("statements of other roles than the owner") for gap in proof.coverage.gaps) == reported


@pytest.mark.parametrize(
    "up",
    [
        "op.execute('CREATE ROLE writer')\nraise RuntimeError('half')",
        "with op.get_context().autocommit_block():\n    op.execute('CREATE ROLE writer')\nraise RuntimeError('half')",
        "op.execute('DO $$ BEGIN CREATE USER writer; END $$')",
    ],
)
def test_roles_are_left_in_none_however_they_are_created(prove_history, server, up):
    before = roles(server)
    prove_history({"one": (None, up, "")})
    assert roles(server) == before


def test_a_role_that_was_there_before_stays(prove_history, server):
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE ROLE there_before")
        proof = prove_history({"one": (None, "op.execute('CREATE ROLE there_before')", "")})
        connection.execute("DROP ROLE there_before")
    assert "already exists" in proof.findings[0].measured


def test_processes_and_gates_side_by_side_take_turns(write_project, gate, server_url, server, tmp_path):
    long = {f"r{number:02}": (f"r{number - 1:02}" if number else "two", "", "") for number in range(15)}
    write_project({"one": CREATES["one"], "two": CREATES["two"], **long})
    before = roles(server)
    gates = [gate(layers=tuple(Layer), database=named(server_url), proof=f"proof-{number}.json") for number in range(2)]
    assert [process.communicate(timeout=300) for process in gates] == [("", "")] * 2
    for number in range(2):
        proof = from_json(Proof, (tmp_path / f"proof-{number}.json").read_text(), "here")
        assert (proof.coverage.revisions, [each for each in proof.findings if each.fails]) == (17, [])
    assert roles(server) == before


def errors(proof):
    return [(each.rule, each.revision) for each in proof.findings if each.fails]


def test_revisions_run_as_the_main_user_of_rds(prove_history, server):
    before = roles(server)
    as_owner = """
def one(sql):
    return op.get_bind().scalar(sa.text(sql))
assert one("SELECT current_setting('is_superuser')") == "off"
assert one("SELECT rolcreaterole AND rolcreatedb FROM pg_roles WHERE rolname = current_user")
assert one("SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'a'")
"""
    proof = prove_history(
        {
            "one": CREATES["one"],
            "two": ("one", as_owner, ""),
            # Postgres reserves these for superusers, RDS does not.
            "three": ("two", "op.execute('CREATE EXTENSION pgstattuple')", "op.execute('DROP EXTENSION pgstattuple')"),
            "four": ("three", "op.execute('CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$')\nop.execute('CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()')", "op.execute('DROP EVENT TRIGGER e')\nop.execute('DROP FUNCTION f()')"),
            "five": ("four", "op.execute('DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS dblink; END $$')", "op.execute('DROP EXTENSION dblink')"),
            "rds": ("five", "op.execute('CREATE ROLE app')\nop.execute('GRANT rds_iam TO app')\nop.execute('GRANT app TO CURRENT_USER')\nop.execute('CREATE SCHEMA app AUTHORIZATION app')", "op.execute('DROP SCHEMA app')\nop.execute('DROP ROLE app')"),
            # As pg_dump writes it: the name of the server's own user.
            "six": ("rds", "op.execute('ALTER TABLE a OWNER TO postgres')\nop.execute('ALTER TABLE a ADD c int')", "op.drop_column('a', 'c')\nop.execute('ALTER TABLE a OWNER TO CURRENT_USER')"),
            "seven": ("six", "op.execute('RESET SESSION AUTHORIZATION')\n" + as_owner.replace('assert one("SELECT tableowner', '("SELECT tableowner'), ""),
            "direct": ("seven", "import psycopg\nwith psycopg.connect() as connection:\n    connection.rollback()\n    assert connection.execute('SHOW is_superuser').fetchall() == [('off',)]", ""),
            "eight": ("direct", "op.execute('SET ROLE postgres')\nop.execute('CREATE TABLE b (id int)')\n" + as_owner.replace("'a'", "'b'"), "op.drop_table('b')"),
        },
        layers=(Layer.ALWAYS,),
    )  # fmt: skip
    assert [(each.measured) for each in proof.findings if each.fails] == []
    assert proof.coverage.revisions == 10
    assert roles(server) == before


@pytest.mark.parametrize(
    ("up", "remedy"),
    [
        ("op.execute(\"COPY a FROM '/etc/hostname'\")", "aws_s3"),
        ("op.execute('CREATE EXTENSION file_fdw')", "rds.extensions"),
        ("op.execute(\"UPDATE pg_enum SET enumlabel = 'b'\")", "system catalogs"),
        ("op.execute('CREATE ROLE r SUPERUSER')", "rds_superuser"),
        ("op.execute('SET SESSION AUTHORIZATION postgres')", "an administrator"),
        ("op.execute('CREATE SCHEMA s AUTHORIZATION pg_read_all_data')", "GRANT … TO CURRENT_USER"),
        (
            "with op.get_context().autocommit_block():\n    op.execute(\"ALTER SYSTEM SET work_mem = '9MB'\")",
            "parameter group",
        ),
    ],
)
def test_a_revision_that_needs_a_superuser_is_an_error_that_names_the_way_on_rds(prove_history, up, remedy):
    proof = prove_history({"one": CREATES["one"], "two": ("one", up, "")}, layers=(Layer.ALWAYS,))
    ((finding),) = [each for each in proof.findings if each.fails]
    assert (finding.rule, finding.revision) == ("U03", "two")
    assert "InsufficientPrivilege" in finding.measured
    assert remedy in finding.remedy


def test_an_old_revision_that_needs_a_superuser_does_not_stop_the_new_ones(prove_history):
    old = "op.execute(\"UPDATE pg_class SET relname = relname WHERE relname = 'a'\")"
    revisions = {"one": CREATES["one"], "two": ("one", old, ""), "three": ("two", "op.add_column('a', sa.Column('b', sa.Text))", "op.drop_column('a', 'b')")}  # fmt: skip
    proof = prove_history(revisions, start_after="two", layers=(Layer.ALWAYS, Layer.ROWS))
    assert (errors(proof), proof.coverage.revisions) == ([], 3)
    assert (
        "ran as a superuser, without row-level security, because an old one needs that: two" in proof.coverage.gaps[0]
    )


def test_statements_from_which_row_level_security_hides_rows_are_errors(prove_history):
    copies = """
for (key,) in op.get_bind().execute(sa.text("SELECT id FROM notes WHERE id > :least"), {"least": 0}).fetchall():
    op.execute(f"UPDATE notes SET body = 'x' WHERE id = {key}")
"""
    revisions = {
        "one": HIDDEN_ROWS,
        "two": ("one", "op.execute('UPDATE notes SET body = upper(body) WHERE id > 0')", ""),
        "three": ("two", copies, ""),
        "four": (
            "three",
            "op.execute(\"SET LOCAL app.tenant = 't'\")\nop.execute('DELETE FROM notes WHERE id <> id')",
            "",
        ),
        "five": (
            "four",
            "with op.get_context().autocommit_block():\n    op.execute('UPDATE notes SET body = NULL')",
            "",
        ),
        "block": ("five", "op.execute('DO $$ BEGIN UPDATE notes SET body = NULL; END $$')", ""),
        "six": (
            "block",
            "op.execute('UPDATE notes SET body = 1')\nop.alter_column('notes', 'body', nullable=False)",
            "",
        ),
    }
    proof = prove_history(revisions, start_after="one", layers=(Layer.ALWAYS, Layer.ROWS))
    told = [(each.rule, each.revision, each.line) for each in proof.findings if each.rule[0] == "D"]
    assert [each for each in told if each[0] != "D04"] == [
        ("D11", "two", 10),
        ("D11", "three", 10),
        ("D11", "five", 11),
        ("D11", "block", 10),
        ("D11", "six", 10),
        ("D01", "six", 11),
    ]
    assert proof.coverage.filled == 1
    assert "it finds 0 of the 3 rows that match" in next(each.measured for each in proof.findings if each.rule == "D11")


def test_the_owner_of_a_database_may_do_less_than_the_main_user_of_rds(prove_history):
    revisions = {"one": CREATES["one"], "two": ("one", "op.execute('CREATE ROLE reader')", "")}
    proof = prove_history(revisions, layers=(Layer.ALWAYS,), role=Role.OWNER)
    assert errors(proof) == [("U03", "two")]


def test_a_server_whose_user_is_no_superuser_is_used_as_it_is(prove_history, server, server_url):
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN CREATEDB PASSWORD 'plain'")
    url = server_url.set(username="plain", password="plain")
    fills = """
op.add_column("notes", sa.Column("length", sa.Integer))
op.execute("UPDATE notes SET length = coalesce(length(body), 0)")
op.alter_column("notes", "length", nullable=False)
"""
    revisions = {
        "one": HIDDEN_ROWS,
        "two": ("one", "op.execute('UPDATE notes SET body = upper(body)')", ""),
        "three": ("two", fills, "op.drop_column('notes', 'length')"),
        "four": ("three", "op.execute('CREATE ROLE reader')", ""),
    }
    try:
        proof = prove_history(revisions, server=url, layers=(Layer.ALWAYS, Layer.ROWS, Layer.TOGETHER))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("DROP ROLE plain")
    assert {*errors(proof)} >= {("D11", "two"), ("L10", "three"), ("D11", "three"), ("U03", "four")}
    assert proof.coverage.filled == 1
    assert not any("hides rows" in gap for gap in proof.coverage.gaps)
