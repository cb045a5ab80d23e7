"""New revisions that a released database runs, in one run with the released revisions on an empty one."""

import pytest

from slipway.records.proof import Layer, Level, Verdict
from tests.gate.conftest import ENV

LAYERS = (Layer.TOGETHER,)
OWN = "transaction_per_migration=True"
TABLES = """
op.execute("CREATE TABLE authors (id int PRIMARY KEY)")
op.execute("CREATE TABLE notes (id int PRIMARY KEY, author int REFERENCES authors DEFERRABLE INITIALLY DEFERRED)")
"""
INDEX = """
with op.get_context().autocommit_block():
    op.drop_index("notes_author", "notes", postgresql_concurrently=True, if_exists=True)
    op.create_index("notes_author", "notes", ["author"], postgresql_concurrently=True)
"""
ADD = "op.execute('ALTER TABLE notes ADD title text')"
KIND = "sa.Enum('user', name='kind')"
COMMITS_REST = "    if connection.in_transaction():\n        connection.commit()\n"
TABLE = "op.create_table({name!r}, sa.Column('kind', {kind}))"
# The old revision, the new one, the options of env.py, and words of the measured fact and of the remedy.
BREAKS = {
    "an old revision commits by itself": (
        f"{TABLES}\nop.get_bind().commit()", INDEX, "", "and leaves alembic's transaction ended", "per_migration=True",
    ),
    "a deferred check is pending": (
        f"{TABLES}\nop.execute('INSERT INTO authors VALUES (1)')\nop.execute('INSERT INTO notes VALUES (1, 1)')",
        ADD, "", "pending trigger events; old is in the same run", "per_migration=True",
    ),
    "the search path is left": (
        f"{TABLES}\nop.execute('CREATE SCHEMA app')\nop.execute('SET search_path = app, public')",
        "op.create_table('places', sa.Column('id', sa.Integer()))", OWN, "it lacks column public.places.id", "set_config",
    ),
    "a setting of the project is left": (
        f"{TABLES}\nop.execute(\"SET app.tenant = 'one'\")",
        "op.execute(\"CREATE TABLE parts AS SELECT 1 / (current_setting('app.tenant', true) IS DISTINCT FROM 'one')::int AS id\")",
        OWN, "leaves app.tenant = 'one'", "set_config('app.tenant', '', true)",
    ),
    "a temporary table is left": (
        f"{TABLES}\nop.execute('CREATE TEMP TABLE parts AS SELECT 1 AS id')",
        "op.execute('CREATE TEMP TABLE parts (id int)')\nop.execute('DROP TABLE pg_temp.parts')", OWN,
        "leaves the temporary parts", "DROP TABLE IF EXISTS pg_temp",
    ),
    "alembic remembers an enum": (
        f"{TABLES}\n{TABLE.format(name='a', kind=KIND)}\nop.drop_table('a')\nop.execute('DROP TYPE kind')",
        TABLE.format(name="b", kind=KIND), OWN, "created the enum kind", "does not depend on what old leaves",
    ),
    "a session of its own does not see what is not committed": (
        TABLES, "with op.get_bind().engine.connect() as own:\n    own.execute(sa.text('SELECT * FROM notes'))", "",
        "leaves changes that are not committed yet", "per_migration=True",
    ),
}  # fmt: skip


def found_in(proof):
    return [finding for finding in proof.findings if finding.rule == "T14"]


@pytest.mark.parametrize(("old", "new", "options", "measured", "remedy"), BREAKS.values(), ids=BREAKS)
def test_a_revision_that_only_an_empty_database_breaks_is_an_error(prove_history, old, new, options, measured, remedy):
    revisions = {
        "first": (None, "pass", "pass"),
        "old": ("first", old, "pass"),
        "last": ("old", "op.execute('CREATE TABLE others (id int)')", "pass"),
        "new": ("last", new, "pass"),
    }
    proof = prove_history(revisions, start_after="last", options=options, env=ENV + COMMITS_REST)
    (found,) = [finding for finding in proof.findings if finding.fails]
    assert (found.rule, found.revision) == ("T14", "new")
    assert measured in found.measured
    assert remedy in found.remedy


def test_released_revisions_that_break_on_an_empty_database_are_one_note(prove_history):
    first = f"{TABLES}\nop.execute('INSERT INTO authors VALUES (1)')\nop.execute('INSERT INTO notes VALUES (1, 1)')"
    revisions = {
        "first": (None, first, "pass"),
        "old": ("first", "op.execute('ALTER TABLE notes ADD text text')", "pass"),
        "new": ("old", "op.execute('CREATE TABLE others ()')", "op.drop_table('others')"),
    }
    proof = prove_history(revisions, start_after="old")
    assert proof.verdict is Verdict.PASS
    (found,) = [finding for finding in proof.findings if finding.rule == "T14"]
    assert (found.level, found.revision) == (Level.NOTE, None)
    assert found.measured.startswith("old (migrations/versions/old.py:10): ")


def test_a_revision_that_alembic_runs_before_the_one_it_needs_is_an_error(prove_history):
    revisions = {
        "root": (None, "pass", "pass"),
        "a": ("root", TABLES, "pass"),
        "b": ("root", "pass", "pass"),
        "joined": (("a", "b"), "pass", "pass"),
        "new": ("b", ADD, "op.drop_column('notes', 'title')"),
        "top": (("joined", "new"), "pass", "pass"),
    }
    (found,) = [each for each in prove_history(revisions, start_after="joined").findings if each.fails]
    assert (found.rule, found.revision) == ("T14", "new")
    assert found.measured.endswith('relation "notes" does not exist; alembic runs it before a')
    assert found.remedy.startswith('depends_on = "a"')
