"""Advice has the names of what was found."""

from types import SimpleNamespace

import pytest

from slipway.gate.findings import advice, compatibility, data, waiting
from slipway.gate.findings.blocking import with_growth
from slipway.gate.layers.effects_of_writes import WITHOUT_EFFECT
from slipway.gate.layers.queries import Query, Refused
from slipway.gate.layers.stairway import Failure, Steps
from slipway.gate.measure.catalog import Change, Line
from slipway.gate.rulebook import waiting as rules
from slipway.gate.steps import UP
from slipway.records.proof import Growth, Statement

NODE = SimpleNamespace(id="two", file="two.py", old=None, upgrade_line=9, downgrade_line=19)


def executed(sql, locks):
    nothing = {"rewrites": (), "builds": (), "scans": (), "blocks": {}, "measured": True, "ms": 1.0}
    return Statement(sql=sql, line=10, transaction=True, locks=locks, **nothing)


def test_a_finding_has_the_growth_of_its_line_where_one_was_measured():
    times = {
        (1.0, 20.0): "x; 1.0 ms on 1,000 rows, 20.0 ms on 20,000 rows: about 1.0 s per million rows",
        (8.1, 1.9): "x",
    }
    for ms, words in times.items():
        assert with_growth("x", executed("", {}), [Growth(10, ("a",), (1_000, 20_000), ms)]) == words
    assert with_growth("x", executed("", {}), [Growth(11, ("a",), (1_000, 20_000), (1.0, 20.0))]) == "x"


def test_the_missing_index_is_written_out():
    key = Line("foreign key", "shop.notes.notes_author", 'FOREIGN KEY (author_id, "No 2") REFERENCES authors(id, no)')
    findings = advice.check(NODE, Steps(changes={UP: Change(added=(key,))}), [key])
    found = next(each for each in findings if each.rule == "S01")
    index = 'op.create_index("ix_notes_author_id_No 2", "notes", ["author_id", "No 2"], postgresql_concurrently=True'
    assert f'{index}, schema="shop")' in found.remedy


def test_the_foreign_key_of_a_new_table_is_written_out():
    sql = "CREATE TABLE notes (\n\tid BIGINT, \n\tFOREIGN KEY(author_id) REFERENCES authors (id)\n)"
    statement = executed(sql, {"public.authors": "SHARE ROW EXCLUSIVE"})
    found = next(each for each in waiting.check(NODE, [statement], None) if each.rule == "Q03")
    assert 'op.create_foreign_key("notes_author_id_fkey", "notes", "authors", ["author_id"], …' in found.remedy


@pytest.mark.parametrize(
    ("schema", "sql", "table", "old"),
    [
        ("public", "ALTER TABLE notes RENAME title TO heading", "notes", "title"),
        ("shop", "ALTER TABLE shop.notes RENAME COLUMN title TO heading", "shop.notes", "title"),
        ("shop", "DO $$ BEGIN EXECUTE format('ALTER TABLE %s RENAME %I TO %I', a, b, c); END $$", "shop.notes", '"title"'),
    ],
    ids=["plain", "with a schema", "computed"],
)  # fmt: skip
def test_a_renamed_column_is_added_with_its_type_filled_in_batches_and_dropped_later(schema, sql, table, old):
    refused = Refused(Query(sql="SELECT 1", origin="models"), "column a.title does not exist", "42703")
    definition = "character varying(20) not null default 'a'::text"
    lines = [Line("column", f"{schema}.notes.{column}", definition) for column in ("title", "heading")]
    change = Change(removed=(lines[0],), added=(lines[1],))
    (found,) = compatibility.check(NODE, [refused], [executed(sql, {})], change)
    assert "…" not in found.remedy
    assert f"'''ALTER TABLE {table} ADD COLUMN heading character varying(20)'''" in found.remedy
    assert f"'''UPDATE {table} SET heading = {old} WHERE" in found.remedy
    assert f"'''ALTER TABLE {table} DROP COLUMN {old}'''" in found.remedy


@pytest.mark.parametrize(
    ("column", "kind", "fills", "value"),
    [
        ("kind", "text", [], "'';"),
        ('"No"', "numeric(12,2)", ['SET "No" = id * 2'], "'0';"),
        ("tags", "character varying(9)[]", [], "'{}';"),
        ("mood", "mood", [], "'…';"),
        ("kind", "text", ["SET kind = 'web' WHERE kind IS NULL"], "'web';"),
        ("kind", "text", ["SET kind = 'web' WHERE id < 9", "SET kind = 'app' WHERE id > 8"], "'';"),
        ("kind", "text", ["SET kind = 'web' || id"], "'';"),
    ],
)
def test_a_required_column_is_added_with_the_constant_that_fills_it_or_a_default_of_its_type(
    column, kind, fills, value
):
    bare = column.strip('"')
    message = f'null value in column "{bare}" of relation "notes" violates not-null constraint; DETAIL: a row'
    query = Query(sql=f"INSERT INTO notes (id) VALUES ({'1' * 700})", origin="models")
    added = (Line("column", f"public.notes.{column}", f"{kind} not null"),)
    statement = executed(f"ALTER TABLE notes ADD COLUMN {column} {kind} NOT NULL", {})
    filling = [executed(f"UPDATE notes {each}", {}) for each in fills]
    (found,) = compatibility.check(NODE, [Refused(query, message, "23502")], [statement, *filling], Change(added))
    wanted = f"ALTER TABLE public.notes ADD COLUMN {column} {kind} NOT NULL DEFAULT {value}"
    assert (found.rule, found.remedy.count(wanted)) == ("C05", 1)
    assert query.sql in found.measured  # whole: only a report shortens it


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("ADD COLUMN kind TEXT NOT NULL", "Give the new column a server_default"),
        ("ALTER kind SET NOT NULL", "Fill the NULLs"),
    ],
)
def test_the_advice_for_nulls_depends_on_whether_the_column_is_new(sql, words):
    failure = Failure(message="it has NULLs", file="two.py", line=10, code="23502")
    found = data.check_failure(NODE, failure, [executed(f"ALTER TABLE notes {sql}", {})])
    assert found.remedy.startswith(words)


@pytest.mark.parametrize(
    ("source", "driver", "code"),
    [
        (
            "c = engine_from_config(x, prefix='')",
            "psycopg2",
            'parameters.setdefault("options", "-c lock_timeout=2s -c statement_timeout=10min',
        ),
        (
            "\ncreate_async_engine(url)",
            "asyncpg",
            'parameters.setdefault("server_settings", {}).update({"lock_timeout": "2s", "statement_timeout": "10min"',
        ),
        ("create_engine(url, connect_args=own)", "psycopg", "cursor.execute(\"SET statement_timeout = '10min'\")\n"),
    ],
)
def test_all_timeouts_are_set_where_env_py_makes_its_engine(source, driver, code):
    env = rules.EnvFile(file="migrations/env.py", source=source, driver=driver)
    assert code in rules.timeouts_in(env, rules.EVERY_TIMEOUT)


@pytest.mark.parametrize(
    ("sql", "named", "view"),
    [
        ("notes RENAME TO items", "notes", "notes AS SELECT * FROM items"),
        ("x.notes RENAME TO items", "x.notes", "x.notes AS SELECT * FROM x.items"),
        ("notes SET SCHEMA y", "notes", "notes AS SELECT * FROM y.notes"),
    ],
)
def test_a_table_keeps_its_old_name_as_a_view(sql, named, view):
    refused = Refused(Query(sql="SELECT 1", origin="models"), f'relation "{named}" does not exist', "42P01")
    (found,) = compatibility.check(NODE, [refused], [executed(f"ALTER TABLE {sql}", {})], Change())
    assert found.remedy.startswith(f"op.execute('''ALTER TABLE {sql}''')\nop.execute('''CREATE VIEW {view}''')")


KEYED = (
    Line("primary key", "shop.notes.notes_pkey", "PRIMARY KEY (id)"),
    *(Line("column", f"shop.notes.{name}", "integer") for name in ("stars", '"a b"', '"a(b"')),
)


@pytest.mark.parametrize(
    ("sql", "lines", "batch"),
    [
        (
            "UPDATE shop.notes\n  SET stars = 0 WHERE stars IS NULL OR stars < 0",
            KEYED,
            "SET stars = 0 WHERE id BETWEEN :first AND :last AND (stars IS NULL OR stars < 0) AND (stars IS DISTINCT FROM (0))",
        ),
        (
            "UPDATE shop.notes SET stars = 0",
            KEYED,
            "WHERE id BETWEEN :first AND :last AND (stars IS DISTINCT FROM (0))",
        ),
        (
            "UPDATE shop.notes SET stars = stars + 1",
            KEYED,
            "SET stars = stars + 1 WHERE id BETWEEN :first AND :last'''",
        ),
        ('UPDATE shop.notes SET "a b" = "a b" + 1', KEYED, "+ 1 WHERE id BETWEEN :first AND :last'''"),
        ('UPDATE shop.notes SET "a(b" = 0', KEYED, 'AND :last AND ("a(b" IS DISTINCT FROM (0))'),
        ("UPDATE shop.notes SET stars = %(stars)s", KEYED, "UPDATE … SET … WHERE id BETWEEN :first AND :last AND …"),
        ("UPDATE shop.notes SET stars = 0 RETURNING id", KEYED, "UPDATE … SET … WHERE id BETWEEN :first AND :last"),
        ("UPDATE shop.notes SET stars = 0 WHERE stars = 1 RETURNING id", KEYED, "UPDATE … SET … WHERE id BETWEEN"),
        (
            "DELETE FROM shop.notes WHERE stars = 1;",
            (),
            "WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM shop.notes WHERE (stars = 1) LIMIT 1000)",
        ),
        ("UPDATE shop.notes SET stars = 0", (), None),
        ("UPDATE shop.notes SET stars = a.stars FROM authors a WHERE a.id = notes.id", (), None),
        ("DELETE FROM shop.notes USING authors a WHERE a.id = notes.id", (), None),
    ],
)
def test_a_statement_is_written_out_in_batches(sql, lines, batch):
    written = data._in_batches(sql, "shop.notes", lines)
    assert (batch in written) if batch else written is None


def test_a_write_without_effect_is_of_the_rows_where_a_revision_changes_no_schema():
    query = Query(sql="DELETE FROM notes WHERE id = 1", origin="models")
    refused = Refused(query, 'the DELETE removes no row of "notes"', WITHOUT_EFFECT)
    statements = [executed("UPDATE notes SET id = NULL", {})]
    policy = Change((Line("policy", "public.notes.own", "…"),))
    assert [each.rule for each in compatibility.check(NODE, [refused], statements, policy)] == ["C24"]
    assert list(compatibility.check(NODE, [refused], statements, Change())) == []
