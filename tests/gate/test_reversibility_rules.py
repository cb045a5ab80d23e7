"""R and U01: whether a revision can be undone, and done again."""

import pytest

from slipway.gate.rulebook.schema import BEGIN_ON_SCHEMA
from slipway.records.proof import Layer, Level, Verdict

LAYERS = (Layer.ALWAYS,)
TABLE = "op.create_table('a', sa.Column('id', sa.Integer()))"
DROP = "op.drop_table('a')"
# upgrade() begins in line 9 of the file, downgrade() two lines after the last of upgrade().
UPGRADE_LINE, DOWNGRADE_LINE = 9, 13


@pytest.fixture
def only_finding(prove_history):
    def run(upgrade, downgrade, **more):
        (finding,) = prove_history({"one": (None, upgrade, downgrade)}, **more).findings
        return finding

    return run


def test_an_empty_downgrade_of_a_change_is_a_warning(only_finding):
    finding = only_finding(TABLE, "")
    assert (finding.rule, finding.level, finding.line) == ("R01", Level.WARNING, DOWNGRADE_LINE)
    assert "table public.a" in finding.measured


def test_an_empty_downgrade_of_rows_a_validation_and_labels_is_fine(prove_history):
    checks = f"{TABLE}\nop.execute('ALTER TABLE a ADD CONSTRAINT c CHECK (id > 0) NOT VALID, ADD CONSTRAINT d CHECK (id > 1) NOT VALID')"
    checks += "\nop.execute(\"CREATE TYPE mood AS ENUM ('calm')\")"
    rows = "op.execute('INSERT INTO a VALUES (2)')\nop.execute('ALTER TABLE a VALIDATE CONSTRAINT c')"
    rows += "\nop.execute(\"ALTER TYPE mood ADD VALUE 'wild'\")"
    more = "op.execute('ALTER TABLE a VALIDATE CONSTRAINT d')"
    more += "\nop.execute(\"ALTER TYPE mood ADD VALUE IF NOT EXISTS 'odd'\")"
    drop = f"{DROP}\nop.execute('DROP TYPE mood')"
    history = {"one": (None, checks, drop), "two": ("one", rows, ""), "three": ("two", more, "op.execute('SELECT 1')")}
    assert prove_history(history).findings == ()


@pytest.mark.parametrize("sql", ["CREATE TABLE a ()", "SELECT 1"])
def test_a_missing_downgrade_function_declares_that_there_is_none(prove_history, sql):
    one = f"revision = 'one'\ndown_revision = None\nfrom alembic import op\ndef upgrade(): op.execute('{sql}')\n"
    (finding,) = prove_history({}, files={"migrations/versions/one.py": one}).findings
    assert (finding.rule, finding.level) == ("R06", Level.NOTE)


def test_a_downgrade_that_fails_is_an_error_at_its_line(only_finding):
    finding = only_finding(TABLE, "op.execute('SELECT 1')\nop.drop_table('b')")
    assert (finding.rule, finding.level, finding.line) == ("R02", Level.ERROR, DOWNGRADE_LINE + 2)
    assert 'table "b" does not exist' in finding.measured
    assert finding.remedy == BEGIN_ON_SCHEMA
    assert finding.file == "migrations/versions/one.py"


IN_ANOTHER_SESSION = """
from threading import Thread
engine = sa.create_engine(op.get_bind().engine.url, poolclass=sa.pool.NullPool)
work = "with engine.begin() as connection: connection.exec_driver_sql({!r})"
thread = Thread(target=exec, args=(work, {{"engine": engine}}))
thread.start()
thread.join()
"""


@pytest.mark.slow
def test_schemas_are_compared_also_where_another_session_changes_them(prove_history):
    other = IN_ANOTHER_SESSION.format
    proof = prove_history(
        {
            "one": (None, TABLE, DROP),
            "two": ("one", other("CREATE TABLE b (id int)"), other("DROP TABLE b")),
            "three": ("two", other("ALTER TABLE a ADD COLUMN n int"), "op.drop_column('a', 'n')"),
            "four": ("three", other("ALTER TABLE a DROP COLUMN IF EXISTS n"), other("ALTER TABLE a ADD COLUMN k int")),
        },
        models="sa.Table('a', metadata, sa.Column('id', sa.Integer), sa.Column('k', sa.Integer)); sa.Table('b', metadata, sa.Column('id', sa.Integer))",
    )
    trace = "left behind: column public.a.k integer; missing: column public.a.n integer"
    assert [(each.rule, each.revision, each.measured) for each in proof.findings] == [("R03", "four", trace)]


@pytest.mark.parametrize(
    ("levels", "comment", "suppressed"),
    [
        ({}, "", "declared by the revision"),
        ({"R06": "error"}, "", None),
        ({"R06": "error"}, "  # slipway: allow R06 because no way back", "allowed: no way back"),
    ],
)
def test_a_downgrade_that_declares_that_there_is_none_counts_if_the_settings_say_so_and_no_comment_allows_it(
    prove_history, levels, comment, suppressed
):
    history = {"one": (None, TABLE, f"raise NotImplementedError('the rows are gone'){comment}")}
    (finding,) = prove_history(history, levels=levels).findings
    assert (finding.rule, finding.suppressed) == ("R06", suppressed)
    assert finding.measured == "NotImplementedError: the rows are gone"


@pytest.mark.parametrize(("downgrade", "rule"), [("raise NotImplementedError", "R06"), ("", "R01")])
def test_a_project_without_downgrades_hears_it_once_and_each_revision_is_known_to_have_none(
    prove_history, downgrade, rule
):
    names = ("one", "two", "three")
    history = {
        name: (down, f"op.execute('CREATE TABLE {name} ()')", downgrade)
        for name, down in zip(names, (None, *names), strict=False)
    }
    (finding,) = prove_history(history, levels={rule: "note"}).findings
    assert (finding.rule, finding.revisions) == (rule, names)
    assert finding.measured.endswith("; and 2 more in two, three")


def test_a_revision_that_declares_no_downgrade_passes(prove_history):
    assert prove_history({"one": (None, TABLE, "raise NotImplementedError")}).verdict is Verdict.PASS


def test_a_downgrade_that_raises_anything_else_fails(prove_history):
    assert prove_history({"one": (None, TABLE, "assert False, 'no way back'")}).verdict is Verdict.FAIL


VIEW = (
    f"CREATE OR REPLACE VIEW seen AS SELECT {', '.join(f'{n} AS column_number_{n}' for n in range(79))}, {{}} AS last"
)


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "measured"),
    [
        (
            f"{TABLE}\nop.execute('CREATE TABLE b ()')",
            DROP,
            "left behind: table public.b",
        ),
        (f"{TABLE}\nop.execute('CREATE SEQUENCE s')", DROP, "left behind: sequence public.s"),
        (
            f"{TABLE}\nop.execute('COMMENT ON SCHEMA other IS NULL')",
            f"{DROP}\nop.execute('DROP SCHEMA other')",
            "missing: schema other",
        ),
        (
            f"{TABLE}\nop.execute('ALTER SCHEMA other RENAME TO b')",
            DROP,
            "left behind: schema b; missing: schema other",
        ),
        (
            f"{TABLE}\nop.execute({VIEW.format(3)!r})",
            f"{DROP}\nop.execute({VIEW.format(2)!r})",
            "left behind: query of public.seen … column_number_76, 77 AS column_number_77, 78 AS column_number_78, 2 AS",
        ),
    ],
    ids=["a table", "a sequence", "too much", "a rename", "a long query"],
)
def test_a_downgrade_that_leaves_a_trace_is_an_error(prove_history, upgrade, downgrade, measured):
    base = (
        None,
        f"op.execute('CREATE SCHEMA other')\nop.execute({VIEW.format(1)!r})",
        "op.execute('DROP VIEW seen')\nop.execute('DROP SCHEMA other')",
    )
    findings = prove_history({"zero": base, "one": ("zero", upgrade, downgrade)}).findings
    assert findings[0].rule == "R03"
    assert findings[0].level is Level.ERROR
    assert findings[0].measured.startswith(measured)


def test_an_extension_may_stay_after_the_downgrade(prove_history):
    made = f"op.execute('CREATE EXTENSION IF NOT EXISTS citext')\n{TABLE}"
    assert prove_history({"one": (None, made, DROP)}).findings == ()


def test_a_long_trace_is_cut_short(only_finding):
    many = "\n".join(f"op.execute('CREATE SCHEMA IF NOT EXISTS s{number}')" for number in range(5))
    finding = only_finding(many, "op.execute('SELECT 1')")
    assert "and 2 more" in finding.measured


def test_the_trace_of_an_enum_comes_with_the_code_to_write(prove_history):
    column = "op.add_column('a', sa.Column('m', sa.Enum('calm', 'wild', name='mood')))"
    create = f"sa.Enum('calm', 'wild', name='mood').create(op.get_bind())\n{column}"
    proof = prove_history({"zero": (None, TABLE, DROP), "one": ("zero", create, "op.drop_column('a', 'm')")})
    trace, again = proof.findings
    assert (trace.rule, again.rule) == ("R03", "R04")
    assert "left behind: enum public.mood 'calm', 'wild'" in trace.measured
    assert 'sa.Enum(name="mood").drop(op.get_bind(), checkfirst=True)' in trace.remedy
    assert trace.remedy_is_code


def test_the_remedy_for_an_enum_in_capitals_is_code_that_runs(prove_history):
    create = "op.execute('CREATE TYPE \"Mood\" AS ENUM ()')"
    finding = prove_history({"one": (None, create, "op.execute('SELECT 1')")}).findings[0]
    assert 'sa.Enum(name="Mood").drop(' in finding.remedy


def test_the_remedy_removes_the_finding(prove_history):
    column = "op.add_column('a', sa.Column('m', sa.Enum('calm', name='mood')))"
    create = f"sa.Enum('calm', name='mood').create(op.get_bind())\n{column}"
    undo = "op.drop_column('a', 'm')\nsa.Enum(name='mood').drop(op.get_bind(), checkfirst=True)"
    assert prove_history({"zero": (None, TABLE, DROP), "one": ("zero", create, undo)}).findings == ()


@pytest.mark.parametrize(
    "unsteady",
    [
        """
        count = op.get_bind().scalar(sa.text("SELECT count(*) FROM a"))
        op.execute(f"CREATE TABLE b{count} ()")
        op.execute("INSERT INTO a VALUES (1)")
        """,
        """
        op.execute("DO 'BEGIN EXECUTE format(''CREATE TABLE b%s ()'', (SELECT count(*) FROM a)); END'")
        op.execute("INSERT INTO a VALUES (1)")
        """,
        """
        upgrade.runs = getattr(upgrade, "runs", -1) + 1
        op.execute(f"CREATE TABLE b{upgrade.runs % 2} ()")
        """,
    ],
    ids=["by a row that it reads", "by a row that the server reads", "by its own variable"],
)
def test_an_upgrade_that_ends_elsewhere_the_second_time_is_an_error(prove_history, unsteady):
    undo = "op.execute('DROP TABLE IF EXISTS b0')\nop.execute('DROP TABLE IF EXISTS b1')"
    proof = prove_history({"zero": (None, TABLE, DROP), "one": ("zero", unsteady, undo)})
    (finding,) = proof.findings
    assert (finding.rule, finding.level) == ("R04", Level.ERROR)


def test_an_upgrade_whose_row_fires_a_trigger_that_creates_a_table_only_once_is_an_error(prove_history):
    """The statements of both upgrades are the same, and so is the catalog before them."""
    body = "BEGIN IF (SELECT count(*) FROM a) = 1 THEN CREATE TABLE b (); END IF; RETURN NULL; END"
    fire = f"""
        op.execute("CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        op.execute("CREATE TRIGGER filling AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION fill()")
    """
    fill = "op.execute('CREATE TABLE c ()')\nop.execute('INSERT INTO a VALUES (1)')"
    undo = "op.execute('DROP TABLE c')\nop.execute('DROP TABLE IF EXISTS b')"
    history = {"zero": (None, TABLE, DROP), "half": ("zero", fire, "raise NotImplementedError")}
    proof = prove_history(history | {"one": ("half", fill, undo)}, start_after="half")
    (finding,) = [each for each in proof.findings if each.suppressed is None]
    assert (finding.rule, finding.measured) == ("R04", "missing: table public.b")


def test_an_upgrade_that_fails_the_second_time_is_an_error_at_its_line(prove_history):
    keyed = "op.execute('CREATE TABLE a (id int PRIMARY KEY)')"
    again = "op.execute('SELECT 1')\nop.execute('INSERT INTO a VALUES (1)')"
    proof = prove_history({"zero": (None, keyed, DROP), "one": ("zero", again, "op.execute('SELECT 1')")})
    (finding,) = proof.findings
    assert (finding.rule, finding.line) == ("R04", UPGRADE_LINE + 2)
    assert "UniqueViolation" in finding.measured


def test_a_failing_upgrade_is_reported_at_file_and_line_of_the_statement(only_finding):
    finding = only_finding("op.execute('SELECT 1')\nop.add_column('no_such', sa.Column('x', sa.Integer()))", DROP)
    assert (finding.rule, finding.level) == ("U01", Level.ERROR)
    assert (finding.file, finding.line) == ("migrations/versions/one.py", UPGRADE_LINE + 2)
    assert 'relation "no_such" does not exist' in finding.measured


def test_a_failure_in_a_function_of_the_revision_is_reported_at_its_line(prove_history):
    one = "from alembic import op\nrevision = 'one'\ndown_revision = None\ndef fill():\n    op.execute('SELECT no_such')\n\ndef upgrade():\n    fill()\n"
    (finding,) = prove_history({}, files={"migrations/versions/one.py": one}).findings
    assert finding.line == 5


def test_a_failure_outside_the_revision_is_reported_at_the_start_of_upgrade(prove_history, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    helper = "def fill(op):\n    op.execute('SELECT no_such')\n"
    use = "import helper_of_a_revision\nhelper_of_a_revision.fill(op)"
    (finding,) = prove_history({"one": (None, use, "")}, files={"helper_of_a_revision.py": helper}).findings
    assert (finding.rule, finding.line) == ("U01", UPGRADE_LINE)


def test_statements_before_the_failing_one_are_kept(prove_history):
    (revision,) = prove_history({"one": (None, f"{TABLE}\nop.drop_table('b')", DROP)}, layers=(Layer.TRACE,)).revisions
    assert [statement.line for statement in revision.statements] == [UPGRADE_LINE + 1]


def test_findings_older_than_start_after_do_not_count(prove_history):
    allows = f"{TABLE}\n# slipway: allow X99 because no such rule exists"
    proof = prove_history({"one": (None, allows, DROP), "two": ("one", "", "")}, start_after="one")
    assert {finding.suppressed for finding in proof.findings} == {"older than start-after"}
    assert proof.verdict is Verdict.PASS


def test_findings_newer_than_start_after_do_count(prove_history):
    revisions = {"one": (None, TABLE, DROP), "two": ("one", "op.execute('CREATE SCHEMA s')", "op.execute('SELECT 1')")}
    proof = prove_history(revisions, start_after="one")
    assert [(each.rule, each.suppressed) for each in proof.findings][:1] == [("R03", None)]
    assert proof.verdict is Verdict.FAIL
