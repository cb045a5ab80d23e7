"""Remedies as the gate writes them, executed on ordinary and on partitioned tables, on each Postgres major that is installed here.

A remedy has the names of the statement that it replaces.
"""

import re
import shutil
from contextlib import contextmanager

import pytest
from anyio.from_thread import start_blocking_portal
from sqlalchemy import make_url

from slipway.gate.rulebook import waiting
from slipway.postgres.server import running
from slipway.records.proof import Layer
from tests.gate.test_lock_atlas import HERE

pytestmark = pytest.mark.slow

LAYERS = (Layer.TRACE,)
NEXT = re.compile(r"^# (?:\d\. I|i)n the (?:next revision|one after it).*$", re.MULTILINE)
TABLES = """
for partitions in ("", "PARTITION BY RANGE (at)"):
    name = "parts" if partitions else "plain"
    op.execute(f"CREATE TABLE {name}_parent (id bigint PRIMARY KEY)")
    op.execute(f'''CREATE TABLE {name} (id bigint NOT NULL, at date NOT NULL, parent bigint, "Title" text) {partitions}''')
    op.execute(f"CREATE INDEX {name}_at ON {name} (at)")
for year in (2026, 2027):
    op.execute(f"CREATE TABLE parts_{year} PARTITION OF parts FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')")
op.execute("CREATE TABLE parts_2028 PARTITION OF parts FOR VALUES FROM ('2028-01-01') TO ('2029-01-01') PARTITION BY RANGE (at)")
op.execute("CREATE TABLE parts_2028_summer PARTITION OF parts_2028 FOR VALUES FROM ('2028-01-01') TO ('2028-07-01')")
op.execute("CREATE TABLE parts_2028_winter PARTITION OF parts_2028 FOR VALUES FROM ('2028-07-01') TO ('2029-01-01')")
"""
# alembic puts the name of a check constraint into this unless it is in op.f().
CONVENTION = "metadata.naming_convention = {'ck': 'ck_%(table_name)s_%(constraint_name)s'}"
# A statement on a table, with its rule.
STATEMENTS = {
    "update": ("D04", "UPDATE {table} SET parent = 1 WHERE parent IS NULL"),
    "index": ("L01", "CREATE INDEX {table}_i ON {table} (parent)"),
    "unique index": ("L01", 'CREATE UNIQUE INDEX {table}_u ON {table} (at, "Title")'),
    "expression": ("L01", """CREATE INDEX {table}_x ON {table} (lower("Title")) WHERE "Title" <> 'x'"""),
    "unique": ("L04", 'ALTER TABLE {table} ADD CONSTRAINT {table}_unique UNIQUE (at, "Title")'),
    "primary key": ("L05", "ALTER TABLE {table} ADD CONSTRAINT {table}_key PRIMARY KEY (id, at)"),
    "check": ("L07", "ALTER TABLE {table} ADD CONSTRAINT {table}_check CHECK (parent > 0)"),
    "foreign key": (
        "L08",
        "ALTER TABLE {table} ADD CONSTRAINT {table}_fk FOREIGN KEY (parent) REFERENCES {table}_parent (id)",
    ),
    "not null": ("L10", "ALTER TABLE {table} ALTER COLUMN parent SET NOT NULL"),
    "dropped index": ("L02", "DROP INDEX {table}_at"),
    "detached": ("L23", "ALTER TABLE parts DETACH PARTITION parts_2027"),
}
KINDS = [(table, kind) for kind in STATEMENTS for table in ("plain", "parts") if (table, kind) != ("plain", "detached")]


@contextmanager
def started(installation):
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running(installation)) as server:
        yield make_url(server.url).set(drivername="postgresql+psycopg")


def as_history(bodies, tables=TABLES):
    names = ["tables", *(f"r{number:02}" for number in range(len(bodies)))]
    downs = [None, *names]
    return {name: (down, body, "") for name, down, body in zip(names, downs, [tables, *bodies], strict=False)}


def revisions_of(remedy):
    """The bodies of upgrade() and downgrade() in each revision that a remedy asks for; the latter empty where it names none."""
    for body in NEXT.split(remedy):
        if body.strip():
            up, _, down = body.partition("# in downgrade():\n")
            yield up, down


def remedies_of(proof):
    """The remedy of each statement, complete, as the bodies of its revisions."""
    for number, (table, kind) in enumerate(KINDS):
        rule, _ = STATEMENTS[kind]
        rule = "L24" if (table, rule) == ("parts", "L01") else rule
        findings = {each.rule: each for each in proof.findings if each.revision == f"r{number:02}"}
        remedy = findings[rule].remedy
        assert "…" not in remedy or rule == "L10", remedy
        yield from (up for up, _ in revisions_of(remedy.replace("…", "0")))


def test_every_installed_server_takes_the_remedies_on_ordinary_and_on_partitioned_tables(prove_history, tmp_path):
    statements = [f"op.execute({STATEMENTS[kind][1].format(table=table)!r})" for table, kind in KINDS]
    remedies = list(remedies_of(prove_history(as_history(statements), start_after="tables")))
    for installation in HERE.values():
        shutil.rmtree(tmp_path / "migrations")
        with started(installation) as server:
            proof = prove_history(as_history(remedies), start_after="tables", server=server, models=CONVENTION)
        failing = [each for each in proof.findings if each.fails and not each.rule.startswith("drift")]
        assert [(remedies[int(each.revision[1:])], each.measured) for each in failing] == []
        assert proof.coverage.revisions == len(remedies) + 1


# Columns and keys in every spelling; each remedy must end in the same schema.
ODD = """
op.execute("CREATE SCHEMA shop")
op.execute("CREATE TABLE shop.base (id bigint PRIMARY KEY)")
op.execute('CREATE TABLE shop.odd (id bigint NOT NULL, parent bigint, title text, "Title" text, tags jsonb)')
"""
ON_ODD = "op.create_index({}, 'odd', {}, schema='shop')"
SHAPES = [
    ON_ODD.format("'i01'", "[sa.text('lower(title)'), 'id']"),
    ON_ODD.format("'i02'", "[sa.literal_column('title DESC NULLS LAST')], unique=True"),
    ON_ODD.format("'i03'", "['title', 'Title'], postgresql_ops={'title': 'text_pattern_ops'}"),
    ON_ODD.format("'i04'", "['tags'], postgresql_using='gin', postgresql_ops={'tags': 'jsonb_path_ops'}"),
    ON_ODD.format("'i05'", """['id'], postgresql_where=sa.text(r"title LIKE 'a%' AND title <> ' \\:b'")"""),
    ON_ODD.format("'i06'", """['id'], postgresql_where=sa.text("title = ''")"""),
    ON_ODD.format("'i07'", """['id'], postgresql_where=sa.text(r"title ~ '^\\d+\\b' OR title = ''''")"""),
    ON_ODD.format("'i08'", "['id'], postgresql_include=['parent'], postgresql_with={'fillfactor': 70}"),
    ON_ODD.format("'I09'", "['Title', 'id'], unique=True, postgresql_nulls_not_distinct=True"),
    """op.execute('CREATE INDEX Mixed_Case ON shop.ODD (Parent, "Title")')""",
    "op.execute('CREATE INDEX ON shop.odd (parent)')",
    "op.execute('CREATE INDEX ON shop.odd USING btree (id, lower(title)) WHERE id > 0')",
    "op.execute('CREATE INDEX i12 ON shop.odd (title DESC, id)')",
    "op.create_unique_constraint('u1', 'odd', ['id', 'Title'], schema='shop', deferrable=True, initially='DEFERRED')",
    "op.execute('ALTER TABLE shop.odd ADD UNIQUE NULLS NOT DISTINCT (parent) INCLUDE (title)')",
    """op.create_check_constraint('c1', 'odd', "title <> '' AND title NOT LIKE '%b'", schema='shop')""",
    """op.execute('ALTER TABLE shop.odd ADD CONSTRAINT "C2" CHECK (parent > 0)')""",
    "op.execute('ALTER TABLE shop.odd ADD CHECK (parent > 1)')",
    "op.create_foreign_key('f1', 'odd', 'base', ['parent'], ['id'], source_schema='shop', referent_schema='shop', ondelete='SET NULL')",
    "op.execute('ALTER TABLE shop.odd ADD FOREIGN KEY (id) REFERENCES shop.base DEFERRABLE')",
]


def test_a_remedy_makes_the_same_as_its_statement_however_that_is_spelled(prove_history, tmp_path):
    asked = prove_history(as_history(SHAPES, ODD), start_after="tables")
    first = {each.revision: each.remedy for each in reversed(asked.findings) if each.rule[0] == "L"}
    remedies = [up for name in sorted(first) for up, _ in revisions_of(first[name])]
    shutil.rmtree(tmp_path / "migrations")
    proof = prove_history(as_history(remedies, ODD), start_after="tables")
    assert [(remedies[int(each.revision[1:])], each.rule, each.measured) for each in proof.findings if each.fails] == []
    assert len(first) == len(SHAPES)
    built, wanted = (each.revisions[-1].fingerprints["up"] for each in (proof, asked))
    assert built == wanted, "\n".join(remedies)


def test_a_remedy_that_commits_is_a_revision_of_its_own_where_its_revision_does_more(prove_history, tmp_path):
    made = "op.create_table('made', sa.Column('id', sa.BigInteger()))"
    two = (
        f"{made}\nop.execute('UPDATE plain SET parent = 1 WHERE parent IS NULL')\nop.create_index('i', 'plain', ['id'])"
    )
    found = [each for each in prove_history(as_history([two]), start_after="tables").findings if each.remedy_is_code]
    assert {each.rule for each in found} == {"D04", "L01"}
    assert all(each.remedy.startswith("# in a revision of its own:\nwith op.get_context()") for each in found)
    shutil.rmtree(tmp_path / "migrations")
    followed = prove_history(as_history([made, *(each.remedy for each in found)]), start_after="tables")
    assert {each.rule for each in followed.findings} <= {"R01"}


def test_the_remedy_for_a_detached_partition_runs_again_after_an_interruption(prove_history):
    remedy = waiting.DETACHED.code.format(table="parts", partition="parts_2027")
    proof = prove_history(as_history([remedy]), start_after="tables", layers=(Layer.INTERRUPTION,))
    assert [each.rule for each in proof.findings if each.rule[0] == "T"] == []
    assert proof.revisions[-1].interruptions


def test_a_type_that_is_made_anew_for_its_new_labels_gets_them_instead(prove_history, tmp_path):
    tables = """op.execute("CREATE TYPE mood AS ENUM ('calm'); CREATE TABLE plain (id int, m mood)")"""
    anew = """
        op.execute("ALTER TYPE mood RENAME TO mood_old")
        op.execute("CREATE TYPE mood AS ENUM ('calm', 'a:b', 'it''s 5%')")
        op.execute("ALTER TABLE plain ALTER m TYPE mood USING m::text::mood")
        op.execute("DROP TYPE mood_old")
    """
    undo = "op.execute('DROP TABLE plain; DROP TYPE mood')"
    history = {"tables": (None, tables, undo), "two": ("tables", anew, "raise NotImplementedError")}
    asked = prove_history(history, start_after="tables")
    (remedy,) = [each.remedy for each in asked.findings if each.rule == "L11"]
    assert remedy.count("ADD VALUE IF NOT EXISTS") == 2
    shutil.rmtree(tmp_path / "migrations")
    followed = prove_history({**history, "two": ("tables", remedy, "raise NotImplementedError")}, start_after="tables")
    assert [(each.rule, each.measured, remedy) for each in followed.findings if each.fails] == []
    made, wanted = (each.revisions[-1].fingerprints["up"] for each in (followed, asked))
    assert made == wanted


def test_a_downgrade_without_the_name_of_its_constraint_gets_the_one_that_postgres_chose(prove_history):
    up = "op.create_table('words', sa.Column('id', sa.BigInteger(), primary_key=True), sa.Column('text', sa.Text()))\nop.create_unique_constraint(None, 'words', ['text'])"
    down = "op.drop_constraint(None, 'words', type_='unique')\nop.drop_table('words')"
    found = {
        each.rule: each for each in prove_history({"one": (None, f"import sqlalchemy as sa\n{up}", down)}).findings
    }
    assert found["R05"].remedy.endswith('\nop.drop_constraint("words_text_key", "words")')
