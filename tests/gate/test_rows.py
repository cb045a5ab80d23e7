"""The effects of revisions on rows. Every history here passes on empty tables."""

import shutil
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from slipway.gate.findings.data import check_switched_off
from slipway.gate.layers import rows, seeds
from slipway.gate.rulebook import rows as advice
from slipway.records.proof import Layer, Level
from slipway.report.proof.text import text
from tests.gate.conftest import ENV

pytestmark = pytest.mark.slow

LAYERS = (Layer.ROWS,)

NOTES = ("op.create_table('notes', sa.Column('id', sa.Integer, primary_key=True), sa.Column('title', sa.Text))", "op.drop_table('notes')")  # fmt: skip


def followed(first, bodies, undo="raise NotImplementedError"):
    """The history of a revision `a` that `r0`, `r1` and so on follow, each with one of these upgrades."""
    names = ["a", *(f"r{number}" for number in range(len(bodies)))]
    return {"a": first} | {name: (down, body, undo) for down, name, body in zip(names, names[1:], bodies, strict=False)}


def of_rows(proof):
    """The findings on rows, without those on their number."""
    return [
        (finding.rule, finding.revision, finding.measured)
        for finding in proof.findings
        if finding.rule[0] == "D" and finding.rule != "D04"
    ]


def test_a_column_that_becomes_not_null_fails_on_a_row_that_is_null(prove_history):
    proof = prove_history({
        "a": (None, *NOTES),
        "b": ("a", "op.alter_column('notes', 'title', nullable=False)", "op.alter_column('notes', 'title', nullable=True)"),
    })  # fmt: skip
    ((rule, revision, measured),) = of_rows(proof)
    assert (rule, revision) == ("D01", "b")
    assert "null values" in measured
    (finding,) = (finding for finding in proof.findings if finding.rule == "D01")
    assert (finding.line, finding.file) == (10, "migrations/versions/b.py")


def test_it_passes_when_the_revision_fills_the_rows_first(prove_history):
    proof = prove_history({
        "a": (None, *NOTES),
        "b": ("a", """
            op.execute("UPDATE notes SET title = '' WHERE title IS NULL")
            op.alter_column('notes', 'title', nullable=False)
            """, "op.alter_column('notes', 'title', nullable=True)"),
    })  # fmt: skip
    assert of_rows(proof) == []
    assert [dict(revision.rows) for revision in proof.revisions] == [{}, {"public.notes": 3}]


def test_a_new_column_without_a_default_fails_on_rows(prove_history):
    column = "op.add_column('notes', sa.Column('body', sa.Text, nullable=False))"
    proof = prove_history({"a": (None, *NOTES), "b": ("a", column, "op.drop_column('notes', 'body')")})
    assert [finding.rule for finding in proof.failures] == ["D01"]


def test_what_comes_after_a_revision_that_fails_on_rows_is_run_on_rows_again(prove_history):
    column = "op.add_column('notes', sa.Column('{name}', sa.Text, nullable=False))"
    proof = prove_history({
        "a": (None, *NOTES),
        "b": ("a", column.format(name="one"), "op.drop_column('notes', 'one')"),
        "c": ("b", column.format(name="two"), "op.drop_column('notes', 'two')"),
    })  # fmt: skip
    assert [(rule, revision) for rule, revision, _ in of_rows(proof)] == [("D01", "b"), ("D01", "c")]


def test_values_that_the_downgrade_does_not_write_back_are_counted(prove_history):
    pages = "op.create_table('pages', sa.Column('id', sa.Integer, primary_key=True), sa.Column('text', sa.Text))"
    proof = prove_history({
        "a": (None, f"{NOTES[0]}\n{pages}", f"{NOTES[1]}\nop.drop_table('pages')"),
        "b": ("a", 'op.execute("UPDATE notes SET title = upper(title)")\nop.execute("UPDATE pages SET text = upper(text)")', "op.execute('SELECT 1')"),
    })  # fmt: skip
    lost = "after the downgrade 2 of 2 values of public.{} are lost or changed".format
    assert of_rows(proof) == [("D02", "b", f"{lost('notes.title')}; {lost('pages.text')}")]


def test_rows_that_are_deleted_are_counted(prove_history):
    proof = prove_history({"a": (None, *NOTES), "b": ("a", "op.execute('DELETE FROM notes WHERE id > 7001')", "op.execute('SELECT 1')")})  # fmt: skip
    assert of_rows(proof) == [("D10", "b", "2 of 3 rows of public.notes are gone")]


def test_values_that_a_statement_sets_to_null_are_lost_by_the_upgrade(prove_history):
    proof = prove_history({"a": (None, *NOTES), "b": ("a", "op.execute('UPDATE notes SET title = NULL')", "op.execute('SELECT 1')")})  # fmt: skip
    assert of_rows(proof) == [("D10", "b", "2 of 2 values of public.notes.title are NULL now")]


def test_rows_that_the_downgrade_brings_back_are_not_lost(prove_history):
    flags = ("op.create_table('flags', sa.Column('id', sa.Text, primary_key=True)); op.execute(\"INSERT INTO flags VALUES ('mail')\")", "op.drop_table('flags')")  # fmt: skip
    proof = prove_history({
        "a": (None, *flags),
        "b": ("a", "op.execute(\"DELETE FROM flags WHERE id = 'mail'\")", "op.execute(\"INSERT INTO flags VALUES ('mail')\")"),
    })  # fmt: skip
    assert of_rows(proof) == []


def test_a_revision_that_brings_a_row_with_a_well_known_uuid_does_not_meet_ours(prove_history):
    users = ("op.create_table('users', sa.Column('id', sa.Uuid, primary_key=True))", "op.drop_table('users')")
    everybody = "op.execute(\"INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000001')\")"
    proof = prove_history({"a": (None, *users), "b": ("a", everybody, "op.execute(\"DELETE FROM users WHERE id::text LIKE '0%'\")")})  # fmt: skip
    assert of_rows(proof) == []


def test_rows_that_only_the_downgrade_deletes_are_lost_by_it(prove_history):
    proof = prove_history({"a": (None, *NOTES), "b": ("a", "op.execute('UPDATE notes SET id = id')", "op.execute('DELETE FROM notes WHERE id > 7001')")})  # fmt: skip
    assert of_rows(proof) == [("D02", "b", "after the downgrade 2 of 3 rows of public.notes are gone")]


WHOLE_TABLE = {
    "by a subquery": "op.execute('UPDATE notes n SET title = (SELECT m.title FROM notes m WHERE m.id = n.id LIMIT 1)')",
    "in a block": """op.execute("DO $$ BEGIN UPDATE notes SET title = 'x'; END $$")""",
    "in a function": """op.execute("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE notes SET title = 'x' $$")
op.execute("SELECT f()")""",
    "after a setting": """op.execute("SET LOCAL work_mem = '8MB'; UPDATE notes SET title = 'x'")""",
    "after a comment": """op.execute("-- all\\nUPDATE notes SET title = 'x'")""",
    "in batches of one transaction": """while op.get_bind().exec_driver_sql("UPDATE notes SET title = 'x' WHERE id IN (SELECT id FROM notes WHERE title IS DISTINCT FROM 'x' LIMIT 2)").rowcount:
    pass""",
    "by an index in a block": """op.execute("DO $$ BEGIN UPDATE notes SET title = 'x' WHERE title = 'y'; END $$")""",
    "": """with op.get_context().autocommit_block():
    while op.get_bind().exec_driver_sql("UPDATE notes SET title = 'y' WHERE id IN (SELECT id FROM notes WHERE title IS DISTINCT FROM 'y' LIMIT 2)").rowcount:
        pass""",
    "by a new row": """op.execute("INSERT INTO notes (id, title) SELECT max(id) + 1, 'z' FROM notes")""",
}


def test_a_whole_table_is_written_however_the_statement_is_spelled(prove_history):
    revisions = {
        f"r{number}": (f"r{number - 1}" if number else "a", body, "op.execute('DROP FUNCTION IF EXISTS f')")
        for number, body in enumerate(WHOLE_TABLE.values())
    }
    notes = (None, f"{NOTES[0]}\nop.create_index('notes_title', 'notes', ['title'])", NOTES[1])
    proof = prove_history({"a": notes, **revisions}, layers=(Layer.TRACE,))
    assert {each.revision for each in proof.findings if each.rule == "D04"} == {f"r{number}" for number in range(7)}


@pytest.mark.parametrize(
    ("source", "found"), [("session.query(Note)", True), ("session.query(Note).limit(1)", False)], ids=["all", "one"]
)
def test_rows_that_the_orm_writes_one_by_one_are_a_whole_table_seen_in_one_run(
    prove_history, monkeypatch, source, found
):
    runs, run = [], rows._Run.run
    monkeypatch.setattr(rows._Run, "run", lambda self: (runs.append(self), run(self))[1])
    loop = f"""
from sqlalchemy.orm import Session, declarative_base
class Note(declarative_base()):
    __tablename__ = "notes"
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.Text)
session = Session(op.get_bind())
for note in {source}:
    note.title = f"{{note.title}}!"
session.commit()
"""
    proof = prove_history({"a": (None, *NOTES), "b": ("a", loop, "pass")})
    measured = [(each.line, each.measured) for each in proof.findings if each.rule == "D04"]
    assert measured == ([(18, "writes all 3 rows of public.notes one by one")] if found else [])
    assert len(runs) == 1


def test_a_serial_column_that_becomes_an_identity_starts_over_below_its_values(prove_history):
    serial = (None, "op.execute('CREATE TABLE notes (id serial PRIMARY KEY)')", "op.drop_table('notes')")
    replaces = "op.execute('ALTER TABLE notes ALTER id DROP DEFAULT; DROP SEQUENCE notes_id_seq; ALTER TABLE notes ALTER id ADD GENERATED BY DEFAULT AS IDENTITY')"
    proof = prove_history({"a": serial, "b": ("a", replaces, "pass")})
    assert "D09" in [rule for rule, *_ in of_rows(proof)]


def test_a_column_that_is_dropped_with_values_in_it_is_reported_and_fails_nothing(prove_history):
    add = "op.add_column('notes', sa.Column('title', sa.Text))"
    proof = prove_history({"a": (None, *NOTES), "b": ("a", "op.drop_column('notes', 'title')", add)})
    assert of_rows(proof) == [("D03", "b", "the column public.notes.title, which held values in 2 of 3 rows")]
    assert {finding.level for finding in proof.findings if finding.rule == "D03"} == {Level.WARNING}


def test_a_column_whose_values_the_downgrade_brings_back_is_not_lost(prove_history):
    proof = prove_history({
        "a": (None, *NOTES),
        "b": ("a", """
            op.add_column('notes', sa.Column('name', sa.Text))
            op.execute("UPDATE notes SET name = title")
            op.drop_column('notes', 'title')
            """, """
            op.add_column('notes', sa.Column('title', sa.Text))
            op.execute("UPDATE notes SET title = name")
            op.drop_column('notes', 'name')
            """),
    })  # fmt: skip
    assert of_rows(proof) == []


def test_a_new_name_for_a_column_loses_nothing(prove_history):
    rename = "op.alter_column('notes', '{}', new_column_name='{}')"
    proof = prove_history(
        {"a": (None, *NOTES), "b": ("a", rename.format("title", "name"), rename.format("name", "title"))}
    )
    assert of_rows(proof) == []


def test_a_table_that_is_dropped_with_rows_is_reported(prove_history):
    proof = prove_history({"a": (None, *NOTES), "b": ("a", NOTES[1], NOTES[0])})
    assert of_rows(proof) == [("D03", "b", "the table public.notes, which held 3 rows")]


def test_a_downgrade_that_cannot_be_run_on_rows_is_reported(prove_history):
    proof = prove_history({
        "a": (None, "op.create_table('notes', sa.Column('id', sa.Integer, primary_key=True), sa.Column('n', sa.Integer, nullable=False))", NOTES[1]),
        "b": ("a", "op.drop_column('notes', 'n')", "op.add_column('notes', sa.Column('n', sa.Integer, nullable=False))"),
    })  # fmt: skip
    assert [(rule, revision) for rule, revision, _ in of_rows(proof)] == [("D02", "b"), ("D03", "b")]


# Each is a table that ordinary services have; the name says what must be found for a row.
SHAPES = """
CREATE EXTENSION btree_gist; CREATE EXTENSION citext; CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE address AS (street text, zip char(5), floor numeric(3, 1), floors numeric(3, 1));
CREATE TYPE price_range AS RANGE (subtype = float8);
CREATE DOMAIN slug AS text CHECK (VALUE ~ '^[a-z0-9]+(-[a-z0-9]+)*$') CHECK (length(VALUE) BETWEEN 3 AND 40);
CREATE TABLE plain (id serial PRIMARY KEY, at timestamptz NOT NULL, "on" date, t time NOT NULL, u uuid NOT NULL, j json NOT NULL, b bytea NOT NULL, f bool NOT NULL);
CREATE TABLE words (id int PRIMARY KEY, state text NOT NULL CHECK (state IN ('open', 'it''s')), mood mood NOT NULL CHECK (mood <> 'sad'), code varchar(2) NOT NULL UNIQUE);
CREATE TABLE patterns (slug slug NOT NULL, mail text NOT NULL CHECK (mail LIKE '%@%.%'), phone text NOT NULL CHECK (phone ~ '^[+][0-9]{7,15}$'),
    iso char(2) NOT NULL CHECK (length(iso) = 2 AND iso = upper(iso)), url text NOT NULL CHECK (url LIKE 'https://%' AND length(url) > 30), hash bytea NOT NULL CHECK (octet_length(hash) = 32));
CREATE TABLE numbers (stars int NOT NULL CHECK (stars BETWEEN 4 AND 9), ratio numeric(3, 2) NOT NULL CHECK (ratio > 0 AND ratio < 1), longitude float8 NOT NULL CHECK (longitude >= -180 AND longitude <= 180));
CREATE TABLE days (starts date NOT NULL, ends date NOT NULL, expires timestamptz NOT NULL CHECK (expires > now()), CHECK (ends > starts));
CREATE TABLE sums (total int NOT NULL, price int NOT NULL CHECK (price BETWEEN 5 AND 9), quantity int NOT NULL CHECK (quantity > 0), CHECK (total = price * quantity));
CREATE TABLE either (a int, b int, CHECK ((a IS NULL) <> (b IS NULL)));
CREATE TABLE documents (doc jsonb NOT NULL CHECK (doc ? 'kind'), tags jsonb NOT NULL CHECK (jsonb_typeof(tags -> 'tags') = 'array'), list jsonb NOT NULL CHECK (jsonb_array_length(list) > 0));
CREATE TABLE arrays (tags text[] NOT NULL CHECK (cardinality(tags) > 0), moods mood[] NOT NULL, names citext[] NOT NULL CHECK (array_length(names, 1) = 3));
CREATE TABLE parts (home address NOT NULL CHECK ((home).zip ~ '^[0-9]{5}$'));
CREATE TABLE ranges (room int NOT NULL, during tstzrange NOT NULL, prices price_range NOT NULL, days datemultirange NOT NULL, EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE TABLE kinds (net cidr NOT NULL, mac macaddr8 NOT NULL, bits bit(4) NOT NULL, took interval NOT NULL CHECK (took < '1 hour'), query tsquery NOT NULL, words tsvector NOT NULL,
    markup xml NOT NULL, cost money NOT NULL, pairs hstore NOT NULL CHECK (pairs ? 'k'), area circle NOT NULL, EXCLUDE USING gist (area WITH &&));
CREATE TABLE made (id int PRIMARY KEY, a text NOT NULL, b text GENERATED ALWAYS AS (upper(a)) STORED, CHECK (length(b) = 5));
CREATE TABLE trees (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent bigint NOT NULL REFERENCES trees);
CREATE TABLE groves (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), parent uuid NOT NULL REFERENCES groves);
CREATE TABLE edges (tail int NOT NULL REFERENCES made, head int NOT NULL REFERENCES made, CHECK (tail <> head), UNIQUE (tail, head));
CREATE TABLE hens (id int PRIMARY KEY, egg int NOT NULL); CREATE TABLE eggs (id serial PRIMARY KEY, hen int NOT NULL REFERENCES hens);
ALTER TABLE hens ADD FOREIGN KEY (egg) REFERENCES eggs DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE by_day (id int, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day); CREATE TABLE by_day_2030 PARTITION OF by_day FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE by_region (id int, region text NOT NULL, PRIMARY KEY (id, region)) PARTITION BY LIST (region); CREATE TABLE by_region_eu PARTITION OF by_region FOR VALUES IN ('eu');
CREATE TABLE slots (kind text NOT NULL CHECK (kind IN ('a', 'b')), owner int NOT NULL, UNIQUE (kind, owner)); CREATE UNIQUE INDEX ON slots (kind) WHERE kind = 'a';
"""


def test_every_usual_table_is_filled(prove_history):
    proof = prove_history({"a": (None, f"op.execute({SHAPES!r})", "raise NotImplementedError")})
    assert proof.coverage.empty == {}
    assert (proof.coverage.filled, proof.coverage.tables) == (21, 21)


def test_rows_under_deferred_constraints_do_not_hinder_the_next_revision(prove_history):
    child = "CREATE TABLE leaves (id int PRIMARY KEY, tree int NOT NULL REFERENCES trees DEFERRABLE INITIALLY DEFERRED)"
    proof = prove_history({
        "a": (None, f"op.execute('CREATE TABLE trees (id int PRIMARY KEY); {child}')", "op.execute('DROP TABLE leaves, trees')"),
        "b": ("a", "op.add_column('leaves', sa.Column('n', sa.Integer))", "op.drop_column('leaves', 'n')"),
    })  # fmt: skip
    assert of_rows(proof) == []


def test_foreign_keys_find_their_rows_whatever_the_order_of_the_tables(prove_history):
    proof = prove_history({
        "a": (None, """
            op.execute('CREATE TABLE a_child (id serial PRIMARY KEY, parent_id int NOT NULL)')
            op.execute('CREATE TABLE parent (id serial PRIMARY KEY, code text UNIQUE)')
            op.execute('ALTER TABLE a_child ADD FOREIGN KEY (parent_id) REFERENCES parent')
            """, "op.execute('DROP TABLE a_child, parent')"),
    })  # fmt: skip
    assert (proof.coverage.filled, proof.coverage.tables) == (2, 2), proof.coverage.gaps


def test_a_foreign_key_that_comes_later_finds_its_rows(prove_history):
    proof = prove_history({
        "a": (None, """
            op.execute('CREATE TABLE child (id serial PRIMARY KEY, parent_id int)')
            op.execute('CREATE TABLE parent (id serial PRIMARY KEY)')
            """, "op.execute('DROP TABLE child, parent')"),
        "b": ("a", "op.create_foreign_key('fk', 'child', 'parent', ['parent_id'], ['id'])", "op.drop_constraint('fk', 'child')"),
    })  # fmt: skip
    assert of_rows(proof) == []


def test_a_table_that_takes_no_row_is_a_gap_and_no_finding(prove_history):
    table = "op.execute('CREATE TABLE odd (n int NOT NULL CHECK (n * n = -1))')"
    proof = prove_history({"a": (None, table, "op.drop_table('odd')")})
    assert (proof.coverage.filled, proof.coverage.tables) == (0, 1)
    reason = 'new row for relation "odd" violates check constraint "odd_n_check"'
    assert any(gap.startswith("1 of 1 table could not be filled with rows: public.odd") for gap in proof.coverage.gaps)
    assert proof.coverage.empty == {"public.odd": reason}


def test_samples_of_the_settings_fill_a_column_that_no_literal_explains(prove_history):
    tables = """
        op.execute("CREATE FUNCTION is_code(t text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$SELECT t IN ('K-7', 'K-8')$$")
        op.execute("CREATE TABLE codes (code text NOT NULL UNIQUE CHECK (is_code(code)))")
        """
    proof = prove_history({"a": (None, tables, "raise NotImplementedError")}, samples={"codes.code": ("K-7", "K-8")})
    assert (proof.coverage.filled, proof.coverage.empty) == (1, {})


@pytest.mark.parametrize(
    "upgrade",
    [
        "op.execute('ALTER TABLE notes ALTER title TYPE int USING title::int')",
        "op.create_check_constraint('ck', 'notes', \"title IN ('open', 'closed')\")",
        "if op.get_bind().scalar(sa.text('SELECT count(*) FROM notes')): raise RuntimeError('an unknown title')",
        "op.execute(\"DO $$ BEGIN IF EXISTS (SELECT FROM notes) THEN RAISE 'an unknown title'; END IF; END $$\")",
    ],
)
def test_a_revision_that_only_dislikes_values_of_our_own_making_is_a_gap_and_no_finding(prove_history, upgrade):
    proof = prove_history({"a": (None, *NOTES), "b": ("a", upgrade, "raise NotImplementedError")})
    assert of_rows(proof) == []
    assert any(gap.startswith("1 revision not tested on rows") for gap in proof.coverage.gaps)


READS = "import json\nfor (title,) in op.get_bind().execute(sa.text('SELECT title FROM notes')).fetchall():\n    {work}"


def test_what_python_makes_of_a_value_of_ours_is_a_gap_and_no_finding(prove_history):
    proof = prove_history({"a": (None, *NOTES), "b": ("a", READS.format(work="title and json.loads(title)"), "pass")})
    assert of_rows(proof) == []
    assert any(
        "because a statement fails there, perhaps only on the generated values; the first is b (JSONDecodeError" in gap
        for gap in proof.coverage.gaps
    )


def test_what_python_makes_of_null_is_a_finding(prove_history):
    proof = prove_history({"a": (None, *NOTES), "b": ("a", READS.format(work="title.upper()"), "pass")})
    assert [rule for rule, *_ in of_rows(proof)] == ["D01"]


def test_a_revision_that_brings_rows_with_keys_of_its_own_does_not_meet_ours(prove_history):
    proof = prove_history({
        "a": (None, *NOTES),
        "b": ("a", "op.execute(\"INSERT INTO notes VALUES (1, 'first')\")", "op.execute('DELETE FROM notes WHERE id = 1')"),
    })  # fmt: skip
    assert of_rows(proof) == []


def test_old_revisions_make_rows_and_no_news(prove_history):
    column = "op.add_column('notes', sa.Column('body', sa.Text, nullable=False, server_default=''))"
    proof = prove_history({
        "a": (None, *NOTES),
        "b": ("a", "op.alter_column('notes', 'title', nullable=False)", "op.alter_column('notes', 'title', nullable=True)"),
        "c": ("b", column, "op.drop_column('notes', 'body')"),
    }, start_after="b")  # fmt: skip
    assert proof.failures == ()
    assert dict(proof.revisions[-1].rows) == {"public.notes": 3}


def test_a_loss_is_reported_at_the_statement_that_loses(prove_history):
    upgrade = "op.add_column('notes', sa.Column('read', sa.Boolean()))\nop.drop_column('notes', 'title')"
    proof = prove_history({"a": (None, *NOTES), "b": ("a", upgrade, "raise NotImplementedError")})
    assert [finding.line for finding in proof.findings if finding.rule == "D03"] == [11]


def test_a_new_type_that_no_cast_leads_back_from_tells_nothing(prove_history):
    create = "op.create_table('notes', sa.Column('stars', sa.Integer))"
    upgrade = "op.execute('ALTER TABLE notes ALTER stars TYPE point USING point(stars, 0)')"
    proof = prove_history(
        {"a": (None, create, "op.drop_table('notes')"), "b": ("a", upgrade, "raise NotImplementedError")}
    )
    assert of_rows(proof) == []


def test_equal_values_fail_where_only_the_revision_forbids_them(prove_history):
    unique = "op.create_unique_constraint('uq', 'notes', ['title'])"
    index = "op.execute('CREATE UNIQUE INDEX ix ON notes (lower(title), id)')"
    first = "op.execute('DELETE FROM notes a USING notes b WHERE a.title = b.title AND a.id > b.id')"
    logs = "op.execute('CREATE TABLE logs (day int, note text) PARTITION BY RANGE (day); CREATE TABLE log PARTITION OF logs DEFAULT')"
    proof = prove_history({
        "a": (None, *NOTES),
        "b": ("a", index, "op.drop_index('ix')"),
        "c": ("b", unique, "op.drop_constraint('uq', 'notes')"),
        "d": ("c", "op.drop_constraint('uq', 'notes')", unique),
        "e": ("d", f"{first}\n{unique}", "op.drop_constraint('uq', 'notes')"),
        "f": ("e", logs, "op.drop_table('logs')"),
        "g": ("f", "op.create_index('log_note', 'log', ['note'], unique=True)", "op.drop_index('log_note')"),
    })  # fmt: skip
    assert sorted(each[:2] for each in of_rows(proof)) == [("D01", "c"), ("D01", "g"), ("D10", "e")]


def test_equal_values_fail_where_a_new_column_is_derived_from_them(prove_history):
    add = "op.add_column('notes', sa.Column('slug', sa.Text))\nop.execute({!r})\n".format
    unique, down = "op.create_unique_constraint('uq', 'notes', ['slug'])", "op.drop_column('notes', 'slug')"
    made = "UPDATE notes SET slug = lower(title) || '-' || id"
    proof = prove_history({
        "a": (None, *NOTES),
        "b": ("a", add("UPDATE notes SET slug = lower(title)") + unique, down),
        "c": ("b", down, "raise NotImplementedError"),
        "d": ("c", add(made) + unique, down),
    })  # fmt: skip
    assert [(rule, revision) for rule, revision, _ in of_rows(proof) if rule == "D01"] == [("D01", "b")]


def test_equal_values_are_not_invented_in_a_column_that_an_earlier_revision_fills(prove_history):
    add = "op.add_column('notes', sa.Column({0!r}, sa.Text))".format
    fill = "op.execute('UPDATE notes SET {0} = {1}')".format
    unique = "op.create_unique_constraint({0!r}, 'notes', [{0!r}])".format
    bodies = [add("number"), fill("number", "gen_random_uuid()"), unique("number")]
    bodies += [add("slug"), fill("slug", "lower(title)"), unique("slug")]
    proof = prove_history(followed((None, *NOTES), bodies), start_after="a")
    assert [(rule, revision) for rule, revision, _ in of_rows(proof) if rule == "D01"] == [("D01", "r5")]


def test_a_release_may_have_written_any_values_into_a_column_of_an_old_revision(prove_history):
    bodies = [
        "op.add_column('notes', sa.Column('slug', sa.Text))",
        "op.execute('UPDATE notes SET slug = lower(title) WHERE slug IS NULL')",
        "op.create_unique_constraint('uq', 'notes', ['slug'])",
        "op.execute(\"UPDATE notes SET title = 'x' WHERE slug = 'old'\")",
    ]
    proof = prove_history(followed((None, *NOTES), bodies), start_after="r0", layers=(Layer.ROWS,))
    assert [(rule, revision) for rule, revision, _ in of_rows(proof)] == [("D01", "r2")]
    assert "looks for" not in " ".join(proof.coverage.unproven)


def test_equal_values_are_tried_in_rows_that_a_partial_index_covers(prove_history):
    index = "op.create_index({0!r}, 'notes', ['title'], unique=True, postgresql_where=sa.text({1!r}))".format
    table = "op.execute('CREATE TABLE notes (id int PRIMARY KEY, title text, gone_at date, state varchar(9))')"
    new = "op.add_column('notes', sa.Column('new', sa.Integer))\n"
    proof = prove_history({
        "a": (None, table, "op.drop_table('notes')"),
        "b": ("a", index("b", "gone_at IS NULL AND state = 'on'"), "op.drop_index('b')"),
        "c": ("b", index("c", "id < 0"), "op.drop_index('c')"),
        "d": ("c", new + index("d", "new IS NULL"), "op.drop_column('notes', 'new')"),
    })  # fmt: skip
    assert [(rule, revision) for rule, revision, _ in of_rows(proof)] == [("D01", "b"), ("D01", "d")]


def test_a_statement_that_finds_no_row_is_not_passed_in_silence(prove_history):
    batches = """
        with op.get_context().autocommit_block():
            batch = sa.text("UPDATE notes SET kind = title WHERE id IN (SELECT id FROM public.notes WHERE kind IS NULL LIMIT 9 FOR UPDATE SKIP LOCKED)")
            while op.get_bind().execute(batch).rowcount:
                pass
        """
    of_others = [  # looks for NULL in a column of another table
        "UPDATE notes SET title = 'x' FROM tags t WHERE t.kind IS NULL AND t.note = -1",
        "UPDATE notes SET title = 'x' FROM notes n, tags t WHERE t.kind IS NULL AND t.note = -1",
        "UPDATE notes SET title = 'x' FROM (VALUES (NULL)) AS t (kind) WHERE t.kind IS NULL AND id = -1",
        "DELETE FROM notes USING tags t WHERE t.kind IS NULL AND t.note = -1",
        "DELETE FROM notes WHERE id IN (SELECT note FROM tags WHERE kind IS NULL AND note = -1)",
    ]
    again = "INSERT INTO notes (id, title) SELECT n.id + 9, n.title FROM notes n LEFT JOIN notes o USING (id) WHERE o.id IS NULL"
    bodies = [
        """
        op.add_column('notes', sa.Column('kind', sa.Text, nullable=False, server_default=''))
        op.execute('CREATE TABLE tags (note int, kind text)')
        """,
        batches,
        "\n".join(f'op.execute("{sql}")' for sql in ["DELETE FROM notes WHERE title = 'gone'", *of_others]),
        f"op.execute({again!r})",
        "op.add_column('notes', sa.Column('n', sa.Integer))\nop.execute('UPDATE notes SET n = 1 WHERE n IS NULL')",
    ]
    proof = prove_history(followed((None, *NOTES), bodies), start_after="a")
    none = "matches none of the 3 rows of public.notes"
    assert of_rows(proof) == [
        ("D14", "r1", f"the UPDATE on line 12 {none}: kind is NOT NULL"),
        ("D10", "r2", "3 of 3 rows of public.notes are gone"),
        ("D09", "r3", "public.notes.id gets values that are not from its sequence"),
    ]
    (gap,) = (gap for gap in proof.coverage.gaps if none in gap)
    assert gap.startswith(
        f"the effect of 2 statements, for lack of a row that meets its condition: the DELETE on line 15 {none}"
    )
    assert "what r2 does with the rows that line 15 looks for" in proof.coverage.unproven
    assert "what r3 does with the rows that line 10 looks for" in proof.coverage.unproven


FOUND = """
    for row in op.get_bind().execute(sa.text({0!r})).all():
        op.execute("UPDATE notes SET {1} WHERE id = %s" % row.id)
"""
LOOKS_FOR = {
    "a key of JSON": ("SELECT id FROM notes WHERE meta::jsonb ? 'references'", "title = 'x', missing = 1"),
    "a text": ("SELECT id FROM notes n WHERE n.title = 'draft' AND n.stars > 9", "title = NULL"),
    "nothing that is known": ("SELECT n.id FROM notes n LEFT JOIN notes o USING (id) WHERE o.id IS NULL", "title = NULL"),
}  # fmt: skip
GUARDS = """
    bind = op.get_bind()
    if bind.scalar(sa.text("SELECT count(*) FROM notes WHERE title = 'old'")):
        op.execute("UPDATE notes SET stars = NULL")
    for name, number in bind.execute(sa.text("SELECT title, max(id) FROM notes GROUP BY title HAVING count(*) > 1")).all():
        op.execute("UPDATE notes SET kind = NULL WHERE id = %d" % number)
    last = bind.scalar(sa.text("SELECT id FROM notes WHERE id > :last ORDER BY id LIMIT 1000"), {"last": 9999})
"""
RAISES = """
    kinds = sa.table("notes", sa.column("id"), sa.column("kind"))
    for row in op.get_bind().execute(sa.select(kinds.c.id).where(kinds.c.kind == "a'b").limit(9)):
        raise ValueError(f"no such kind in {row.id - row.id}")
"""


def test_code_behind_a_query_is_executed_on_a_row_that_the_query_finds_or_named_in_the_verdict(prove_history):
    table = 'op.execute("CREATE TABLE notes (id int PRIMARY KEY, title text, stars int, kind text, meta json)")'
    bodies = [*(FOUND.format(*each) for each in LOOKS_FOR.values()), GUARDS, RAISES]
    bodies.append("op.execute(\"UPDATE notes SET title = 'x' WHERE kind = NULL\")")
    bodies.append(
        "op.execute('/* a comment */\\n' * 40 + \"WITH o AS (SELECT id FROM notes WHERE kind = 'y') UPDATE notes n SET title = NULL FROM o WHERE o.id = n.id AND stars > 90\")"
    )
    bodies.append("op.get_bind().connection.cursor().execute(\"UPDATE notes SET title = NULL WHERE title = 'raw'\")")
    proof = prove_history(followed((None, table, ""), bodies), start_after="a")
    missing = 'ProgrammingError: (psycopg.errors.UndefinedColumn) column "missing" of relation "notes" does not exist'
    found = of_rows(proof)
    assert [each for each in found if each[0] != "D14"] == [
        ("D01", "r0", missing),
        ("D10", "r1", "1 of 2 values of public.notes.title are NULL now"),
        (
            "D10",
            "r3",
            "2 of 2 values of public.notes.stars are NULL now; 1 of 2 values of public.notes.kind are NULL now",
        ),
        ("D10", "r6", "2 of 2 values of public.notes.title are NULL now"),
        ("D10", "r7", "1 of 1 values of public.notes.title are NULL now"),
    ]
    assert proof.coverage.unproven == (
        "models",
        "what r2 does with the rows that line 10 looks for",
        "what r4 does with the rows that line 11 looks for",
    )
    ends = "the SELECT on line 11 matches none of the 3 rows of public.notes (on one that the gate made the revision ends with ValueError: no such kind in 0) before r4"
    assert any(ends in gap for gap in proof.coverage.gaps)
    assert "models, what r2 does with the rows that line 10 looks for" in text(proof)
    (never,) = (each for each in proof.findings if each.rule == "D14")
    assert never.measured.endswith("rows of public.notes: a comparison with NULL is never true")
    assert "AND (kind IS NULL)" in never.remedy


def test_the_advice_for_a_whole_table_reaches_every_row_once_and_ends(prove_history, tmp_path):
    table = """
        op.execute("CREATE TABLE notes (id uuid PRIMARY KEY, title text, kind text NOT NULL DEFAULT '', stars int DEFAULT 0, meta json)")
        op.execute("INSERT INTO notes SELECT gen_random_uuid(), 'title ' || n FROM generate_series(1, 2500) AS n")
        """
    updates = {
        "UPDATE notes SET kind = upper(coalesce(title, 'none'))": "kind <> upper(coalesce(title, 'none'))",
        "UPDATE notes SET stars = stars + 1": "stars <> 1 AND title LIKE 'title %'",
        'UPDATE notes SET meta = \'{"at": "5 :x"}\'': "meta ->> 'at' <> '5 :x'",
        "UPDATE notes SET kind = NULLIF(title, '') WHERE title LIKE '%1%'": "kind <> title AND title LIKE '%1%'",
        "DELETE FROM notes WHERE title LIKE '%7%'": "title LIKE '%7%'",
    }
    executed = [f"op.execute({sql!r})" for sql in (sql.replace(" :", " \\:") for sql in updates)]
    found = prove_history(followed((None, table, ""), executed, ""), start_after="a").findings
    remedies = {each.revision: each.remedy for each in found if each.rule == "D04"}
    left = [f"SELECT count(*) FROM notes WHERE {condition}".replace(" :", " \\:") for condition in updates.values()]
    checks = [f"assert not op.get_bind().scalar(sa.text({sql!r}))" for sql in left]
    bodies = [f"{remedies[name]}\n{check}" for name, check in zip(sorted(remedies), checks, strict=True)]
    shutil.rmtree(tmp_path / "migrations")
    proof = prove_history(followed((None, table, ""), bodies, ""), start_after="a", layers=tuple(Layer))
    assert not [remedy for remedy in remedies.values() if "…" in remedy]
    assert [(each.rule, each.revision) for each in proof.findings if each.rule[0] == "D" and each.rule != "D10"] == [
        ("D07", "r1"),
        ("D07", "r2"),
    ]


def test_a_row_with_a_label_that_the_new_enum_lacks_is_no_value_of_our_own_making(prove_history):
    table = "op.execute(\"CREATE TYPE mood AS ENUM ('good', 'bad')\")\nop.execute('CREATE TABLE notes (mood mood)')"
    rewrite = """
        op.execute("ALTER TYPE mood RENAME TO old")
        op.execute("CREATE TYPE mood AS ENUM ('good')")
        op.execute("ALTER TABLE notes ALTER mood TYPE mood USING mood::text::mood")
        op.execute("DROP TYPE old")
    """
    proof = prove_history({"a": (None, table, ""), "b": ("a", rewrite, "raise NotImplementedError")})
    ((rule, revision, measured),) = of_rows(proof)
    assert (rule, revision) == ("D01", "b")
    assert 'invalid input value for enum mood: "bad"' in measured


def test_rows_that_are_written_in_ranges_of_their_keys_are_a_whole_table(prove_history):
    ranges = """
        bind = op.get_bind()
        last = bind.execute(sa.text("SELECT max(id) FROM notes")).scalar() or 0
        for first in range(0, last + 1, 5000):
            sql = sa.text("UPDATE notes SET title = 'x' WHERE id BETWEEN :first AND :first + 4999")
            bind.execute(sql, {"first": first})
    """
    proof = prove_history({"a": (None, *NOTES), "b": ("a", ranges, "")})
    measured = [each.measured for each in proof.findings if each.rule == "D04"]
    assert measured == ["writes all 3 rows of public.notes"]


def test_rows_that_move_to_another_table_do_not_meet_the_keys_of_ours(prove_history):
    tables = "for name in ('x', 'y'): op.create_table(name, sa.Column('id', sa.Uuid, primary_key=True))"
    moves = "op.execute('INSERT INTO y SELECT id FROM x')"
    proof = prove_history({"a": (None, tables, "op.drop_table('x'); op.drop_table('y')"), "b": ("a", moves, "pass")})
    assert of_rows(proof) == []
    assert dict(proof.revisions[1].rows) == {"public.y": 3}


def test_a_loss_is_reported_where_the_downgrade_fails_on_rows(prove_history):
    again = "op.drop_column('notes', 'title')\nop.add_column('notes', sa.Column('title', sa.{}, nullable=False{}))"
    upgrade, downgrade = again.format("String(32)", ", server_default='en'"), again.format("Text", "")
    table = "op.create_table('notes', sa.Column('id', sa.Integer), sa.Column('title', sa.Text, nullable=False))"
    proof = prove_history({"a": (None, table, "op.drop_table('notes')"), "b": ("a", upgrade, downgrade)})
    assert [rule for rule, *_ in of_rows(proof)] == ["D02", "D03"]


@pytest.mark.parametrize(
    "fails",
    [
        "op.alter_column('notes', 'body', nullable=False)",
        "op.add_column('notes', sa.Column('author', sa.Text, nullable=False))",
    ],
)
def test_a_loss_is_reported_where_the_revision_also_fails_on_rows(prove_history, fails):
    tables = f"{NOTES[0]}\nop.add_column('notes', sa.Column('body', sa.Text))\nop.create_table('old', sa.Column('id', sa.Uuid))"
    drops = f"op.drop_column('notes', 'title')\nop.drop_table('old')\n{fails}"
    proof = prove_history({"a": (None, tables, "op.drop_table('notes')"), "b": ("a", drops, "pass")})
    (failed, _, _), (lost, _, measured) = sorted(of_rows(proof))
    assert (failed, lost) == ("D01", "D03")
    assert "column public.notes.title" in measured
    assert "table public.old" in measured


def test_a_value_in_another_type_after_the_downgrade_is_compared_in_its_own(prove_history):
    table = "op.create_table('notes', sa.Column('id', sa.Integer), sa.Column('at', sa.DateTime))"
    proof = prove_history({
        "a": (None, table, "op.drop_table('notes')"),
        "b": ("a", "op.alter_column('notes', 'at', type_=sa.Text)", "op.alter_column('notes', 'at', type_=sa.DateTime(True), postgresql_using='at::timestamptz')"),
    })  # fmt: skip
    assert of_rows(proof) == []


def test_equal_keys_of_ours_are_known_also_where_only_the_cause_of_an_error_names_them():
    cause = asyncpg_error(f"Key (id)=(5ee5ee5e{seeds.UUID}1) already exists.")
    assert rows._is_met_by_equal_keys(cause)
    assert not rows._is_met_by_equal_keys(
        asyncpg_error("Key (id)=(00000000-0000-0000-0000-000000000001) already exists.")
    )


def asyncpg_error(detail):
    """An error as SQLAlchemy 2.1 makes it of one of asyncpg."""
    error = Exception("duplicate key value violates unique constraint")
    error.sqlstate = "23505"
    error.__cause__ = Exception()
    error.__cause__.detail = detail
    return sa.exc.IntegrityError("INSERT", {}, error)


@pytest.mark.parametrize(
    ("upgrade", "names"),
    [
        ("INSERT INTO notes (id, title) VALUES (1, 'first') ON CONFLICT DO NOTHING", ["public.notes.id"]),
        ("INSERT INTO notes (title) SELECT title FROM notes", []),
        ("INSERT INTO notes (id, title) SELECT nextval('notes_id_seq'), title FROM notes", []),
        ("CREATE TABLE more (id serial, n int); INSERT INTO more (n) VALUES (1)", []),
    ],
)
def test_a_number_that_the_revision_chooses_may_exist_in_production(prove_history, upgrade, names):
    proof = prove_history({"one": (None, *NOTES), "two": ("one", f'op.execute("{upgrade}")', "")}, start_after="one")
    chosen = [each.measured.partition(" gets ")[0] for each in proof.findings if each.rule == "D09"]
    assert chosen == names


PARTS = """
op.execute("CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at)")
op.execute("CREATE TABLE e25 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
op.execute("CREATE TABLE e26 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
"""
DETACH = "op.execute('ALTER TABLE events DETACH PARTITION e25')"
ATTACH = "op.execute('''ALTER TABLE events ATTACH PARTITION e25 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')''')"


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "words"),
    [
        ("op.execute('DROP TABLE e25')", "", "The upgrade drops"),
        (DETACH, "", "The upgrade takes a partition out"),
        (DETACH, ATTACH, ""),
        ("op.execute('DROP TABLE events')", "", "The upgrade drops"),
    ],
)
def test_a_partition_is_dropped_with_its_rows(prove_history, upgrade, downgrade, words):
    proof = prove_history({"one": (None, PARTS, ""), "two": ("one", upgrade, downgrade)}, start_after="one")
    found = [each.message for each in proof.findings if each.rule == "D03"]
    assert len(found) == bool(words)
    assert all(message.startswith(words) for message in found)


COUNTED = (
    "op.execute('CREATE TABLE notes (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n serial, title text)')"
)


@pytest.mark.parametrize(
    ("upgrade", "found"),
    [
        ("op.execute('ALTER TABLE notes ALTER id RESTART WITH 1')", ["public.notes.id"]),
        ("op.execute('ALTER SEQUENCE notes_n_seq RESTART')", ["public.notes.n"]),
        ("op.execute('''SELECT setval('notes_id_seq', 1, false)''')", ["public.notes.id"]),
        ("op.execute('''DO $$ BEGIN EXECUTE 'ALTER SEQUENCE notes_n_seq REST' || 'ART'; END $$''')", ["public.notes.n"]),
        ("op.execute('''SELECT setval('notes_id_seq', (SELECT max(id) FROM notes))''')", []),
        ("op.execute('''ALTER SEQUENCE notes_n_seq CACHE 5''')", []),
    ],
)  # fmt: skip
def test_a_sequence_that_a_revision_moves_stays_beyond_its_column(prove_history, upgrade, found):
    proof = prove_history({"a": (None, COUNTED, "op.drop_table('notes')"), "b": ("a", upgrade, "pass")})
    behind = [measured.partition(" holds ")[0] for rule, _, measured in of_rows(proof) if rule == "D09"]
    assert behind == found


def referring(action):
    tables = f"""
op.execute('CREATE TABLE authors (id int PRIMARY KEY)')
op.execute('CREATE TABLE notes (id int PRIMARY KEY, author int REFERENCES authors {action})')
op.execute('CREATE TABLE others (id int PRIMARY KEY)')
"""
    return None, tables, "op.execute('DROP TABLE notes, authors, others')"


ELSEWHERE = """
import threading
def work():
    engine = sa.create_engine(op.get_bind().engine.url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM others"))
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
PROCESS = """
import subprocess, sys
url = op.get_bind().engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
subprocess.run([sys.executable, "-c", "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute('DELETE FROM others')", url], check=True)
"""


@pytest.mark.parametrize(
    ("action", "upgrade", "found"),
    [
        ("ON DELETE CASCADE", "op.execute('DELETE FROM authors')", "3 of 3 rows of public.authors are gone; 2 of 3 rows of public.notes are gone"),
        ("ON DELETE SET NULL", "op.execute('DELETE FROM authors')", "3 of 3 rows of public.authors are gone; 2 of 2 values of public.notes.author are NULL now"),
        ("", ELSEWHERE, "3 of 3 rows of public.others are gone"),
        ("", PROCESS, "3 of 3 rows of public.others are gone"),
        ("ON DELETE CASCADE", "op.execute('DELETE FROM others WHERE id <> id')", None),
    ],
)  # fmt: skip
def test_rows_that_no_statement_of_the_revision_names_are_compared_too(prove_history, action, upgrade, found):
    proof = prove_history({"a": referring(action), "b": ("a", upgrade, "pass")})
    assert [measured for rule, _, measured in of_rows(proof) if rule == "D10"] == ([found] if found else [])
    assert not any("executed no statement" in gap for gap in proof.coverage.gaps)


TIMES = 'CREATE TABLE a (id int PRIMARY KEY, one timestamp, two timestamp(3), three date, four timestamptz, five timestamp, six timestamp, "Seven" date, write_time timestamp)'
CONVERSIONS = {
    "one": "op.alter_column('a', 'one', type_=sa.DateTime(True), nullable=True)\nop.alter_column('a', 'write_time', type_=sa.DateTime(True))",
    "two": "op.execute(\"ALTER TABLE a ALTER two SET DATA TYPE timestamptz USING two AT TIME ZONE 'Europe/Berlin'\")",
    "three": "op.execute('ALTER TABLE a ALTER three TYPE timestamptz USING three::timestamptz')",
    "four": "op.execute('ALTER TABLE a ALTER COLUMN one TYPE timestamptz, ALTER four TYPE date')",
    "five": "op.execute(\"SELECT set_config('timezone', 'UTC', true)\")\nop.alter_column('a', 'five', type_=sa.DateTime(True))",
    "six": "op.alter_column('a', 'six', server_default='2026-01-01')",
    "seven": "op.execute('SET LOCAL TIME ZONE 0; ALTER TABLE a ALTER \"Seven\" TYPE timestamptz')",
}


def test_times_that_the_time_zone_of_the_session_converts_are_reported(prove_history):
    downs = ["zero", *CONVERSIONS]
    revisions = {name: (down, code, "") for down, (name, code) in zip(downs, CONVERSIONS.items(), strict=False)}
    asked = {"zero": (None, f"op.execute({TIMES!r})", "op.drop_table('a')"), **revisions}
    found = [each for each in prove_history(asked, layers=(Layer.TRACE,)).findings if each.rule == "D13"]
    became = "was timestamp without time zone and is timestamp with time zone"
    assert {each.revision: (each.line, each.measured) for each in found} == {
        "one": (10, f"public.a.one {became}; public.a.write_time {became}"),
        "three": (10, "public.a.three was date and is timestamp with time zone"),
        "four": (10, "public.a.four was timestamp with time zone and is date"),
    }
    assert found[0].remedy.endswith('op.alter_column("a", "one", type_=sa.DateTime(timezone=True))')


def test_an_env_py_that_sets_the_time_zone_decides_it_for_all_conversions(prove_history):
    env = ENV.replace("{connect}", ', connect_args={"options": "-c timezone=UTC"}')
    asked = {"zero": (None, f"op.execute({TIMES!r})", "op.drop_table('a')"), "one": ("zero", CONVERSIONS["one"], "")}
    proof = prove_history(asked, layers=(Layer.TRACE,), env=env)
    assert [each for each in proof.findings if each.rule == "D13"] == []


def test_a_cast_loses_the_end_of_a_text_and_a_shift_to_another_zone_loses_nothing(prove_history):
    berlin = "op.execute(\"ALTER TABLE a ALTER at TYPE {} USING at AT TIME ZONE 'Europe/Berlin'\")"
    proof = prove_history({
        "a": (None, "op.execute('CREATE TABLE a (at timestamp, code text)')", "op.drop_table('a')"),
        "b": ("a", berlin.format("timestamptz"), berlin.format("timestamp")),
        "c": ("b", "op.execute('ALTER TABLE a ALTER code TYPE varchar(8) USING left(code, 8)')", "raise NotImplementedError"),
        "d": ("c", "op.execute(\"ALTER TABLE a ALTER at TYPE timestamp USING date_trunc('year', at)\")", "raise NotImplementedError"),
    })  # fmt: skip
    assert [(rule, revision, measured[:30]) for rule, revision, measured in of_rows(proof) if rule != "D13"] == [
        ("D05", "c", "1 of 2 values of public.a.code"),
        ("D05", "d", "2 of 2 values of public.a.at c"),
    ]


def test_a_conversion_loses_nothing_that_its_downgrade_restores(prove_history):
    cents = "op.execute('ALTER TABLE a ALTER {0} TYPE integer USING ({0} * 100)::integer')"
    back = "op.execute('ALTER TABLE a ALTER {} TYPE numeric(9,2){}')"
    proof = prove_history({
        "a": (None, "op.execute('CREATE TABLE a (one numeric(9,2), two numeric(9,2), three numeric(9,2), four numeric(9,2))')", "op.drop_table('a')"),
        "one": ("a", cents.format("one"), back.format("one", " USING one / 100.0")),
        "two": ("one", cents.format("two"), back.format("two", "")),
        "three": ("two", cents.format("three"), "raise NotImplementedError"),
        "four": ("three", "op.execute('ALTER TABLE a ALTER four TYPE integer')", back.format("four", "")),
    })  # fmt: skip
    found = [(each.rule, each.revision, each.message) for each in proof.findings if each.rule in ("D02", "D05")]
    assert set(found) == {
        ("D02", "two", advice.LOSES.message),
        ("D05", "three", advice.CONVERTED),
        ("D05", "four", advice.LOSSY.message),
    }


def test_a_narrower_type_that_our_long_text_does_not_fit_is_tested_on_short_ones(prove_history):
    proof = prove_history({
        "a": (None, "op.execute('CREATE TABLE a (code text)')", "op.drop_table('a')"),
        "b": ("a", "op.execute('ALTER TABLE a ALTER code TYPE varchar(8)')", "op.execute('ALTER TABLE a ALTER code TYPE text')"),
    })  # fmt: skip
    assert of_rows(proof) == []
    assert not any("on rows" in gap for gap in proof.coverage.gaps)


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("ALTER TABLE a DISABLE TRIGGER ALL; ALTER TABLE public.a ENABLE TRIGGER ALL", []),
        ("ALTER TABLE a DISABLE TRIGGER ALL; ALTER TABLE b ENABLE TRIGGER ALL", [1]),
        ("ALTER TABLE a DISABLE TRIGGER ALL; ALTER TABLE a ENABLE ROW LEVEL SECURITY", [1]),
        ("ALTER TABLE a ENABLE REPLICA TRIGGER t", [1]),
    ],
)
def test_a_trigger_that_is_switched_off_is_on_again_in_its_own_table_only(sql, lines):
    node = SimpleNamespace(id="one", file="one.py", old=None, upgrade_line=9)
    statements = [SimpleNamespace(sql=each, line=line) for line, each in enumerate(sql.split("; "), start=1)]
    assert [finding.line for finding in check_switched_off(node, statements)] == lines


@pytest.mark.parametrize(
    ("then", "found"),
    [
        ("SELECT 1", []),
        ("UPDATE a SET b = id", ["D08"]),
        ("DO $$ BEGIN UPDATE a SET b = id; END $$", ["D08"]),
    ],
)
def test_a_new_column_that_stays_null_loses_no_row_by_a_cascade_and_one_that_is_filled_may(prove_history, then, found):
    tables = "op.execute('CREATE TABLE b (id int PRIMARY KEY)')\nop.execute('CREATE TABLE a (id int PRIMARY KEY)')"
    refer = f"op.execute('ALTER TABLE a ADD b int REFERENCES b ON DELETE CASCADE')\nop.execute({then!r})"
    history = {"one": (None, tables, "raise NotImplementedError"), "two": ("one", refer, "op.drop_column('a', 'b')")}
    proof = prove_history(history, start_after="one", layers=(Layer.TRACE,))
    assert [each.rule for each in proof.findings if each.rule == "D08"] == found


@pytest.mark.parametrize(
    ("upgrade", "found"),
    [
        ("ALTER SEQUENCE a_id_seq AS int", ["D16"]),
        ("DROP TABLE a; CREATE TABLE a (id serial)", []),
    ],
)
def test_a_sequence_ends_earlier_when_it_is_altered_and_not_when_another_one_gets_its_name(
    prove_history, upgrade, found
):
    table = "op.execute('CREATE TABLE a (id bigserial)')"
    history = {"one": (None, table, "pass"), "two": ("one", f"op.execute({upgrade!r})", "raise NotImplementedError")}
    proof = prove_history(history, start_after="one", layers=(Layer.TRACE,))
    assert [each.rule for each in proof.findings if each.rule == "D16"] == found
