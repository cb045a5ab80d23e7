"""Rules P and S: advice on style. A rule is off unless the project's settings give it a level."""

from functools import partial
from typing import Final

from slipway.gate.rulebook.rule import NOTES_AND_AUTHORS, NOTHING, Rule
from slipway.records.proof import Level

_advice: Final = partial(Rule, level=Level.NOTE, implies=NOTHING, optional=True)
_of_new_table: Final = partial(_advice, before="pass")

MIXED_CONCERNS: Final = _advice(
    id="P02",
    name="schema and rows in one revision",
    message="The revision changes both the schema of existing tables and rows.",
    advice="Change the schema in one revision and the rows in the next, so that each can be run again by itself.",
    related=("D04", "T02"),
    bad="""\
op.add_column("notes", sa.Column("shout", sa.Text()))
op.execute("UPDATE notes SET stars = 0 WHERE id = 1")""",
    good="""\
op.add_column("notes", sa.Column("shout", sa.Text()))
# in the next revision:
op.execute("UPDATE notes SET stars = 0 WHERE id = 1")""",
)
WITHOUT_INDEX: Final = _advice(
    id="S01",
    name="foreign key without an index",
    message="Deleting or re-keying a referenced row scans this whole table: no index starts with the foreign key's columns.",
    code="""\
with op.get_context().autocommit_block():
    op.create_index("ix_{table}_{column}", "{table}", [{columns}], postgresql_concurrently=True{schema})""",
    related=("L01", "L08"),
    before=NOTES_AND_AUTHORS,
    bad="""op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)""",
    good="""\
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)
# in the next revision:
with op.get_context().autocommit_block():
    op.drop_index("ix_notes_author_id", "notes", postgresql_concurrently=True, if_exists=True)
    op.create_index("ix_notes_author_id", "notes", ["author_id"], postgresql_concurrently=True)
# in downgrade():
op.drop_index("ix_notes_author_id", "notes")""",
)
SMALL_KEY: Final = _of_new_table(
    id="S02",
    name="integer primary key",
    message="The primary key ends at 2,147,483,647; widening it later rewrites the table.",
    code='sa.Column("id", sa.BigInteger(), primary_key=True)',
    related=("L11", "S06"),
    bad="""op.create_table("notes", sa.Column("id", sa.Integer(), primary_key=True))""",
    good="""op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True))""",
)
JSON: Final = _of_new_table(
    id="S03",
    name="json column",
    message="Values of type json cannot be compared or indexed; DISTINCT, GROUP BY and UNION fail on them.",
    code='sa.Column("…", postgresql.JSONB())',
    related=("C15",),
    bad="""op.create_table("notes", sa.Column("meta", sa.JSON()))""",
    good="""op.create_table("notes", sa.Column("meta", postgresql.JSONB()))""",
)
PADDED: Final = _of_new_table(
    id="S04",
    name="char(n) column",
    message="Values of type char(n) are padded with spaces, which some comparisons ignore and others do not.",
    code='sa.Column("…", sa.Text())',
    related=("S03",),
    bad="""op.create_table("notes", sa.Column("country", sa.CHAR(2)))""",
    good="""op.create_table("notes", sa.Column("country", sa.Text()))""",
)
WITHOUT_ZONE: Final = _of_new_table(
    id="S05",
    name="timestamp without time zone",
    message="The instant that a value means depends on the time zone of the session that wrote it.",
    code='sa.Column("…", sa.DateTime(timezone=True))',
    related=("S04",),
    bad="""op.create_table("notes", sa.Column("written", sa.DateTime()))""",
    good="""op.create_table("notes", sa.Column("written", sa.DateTime(timezone=True)))""",
)
SERIAL: Final = _of_new_table(
    id="S06",
    name="serial column",
    message="A serial column has a separate sequence with its own grants and default, which a dump or a rename leaves behind; an identity column does not.",
    code='sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True)',
    related=("L15", "S02"),
    bad="""op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True))""",
    good="""op.create_table("notes", sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True))""",
)
CUT_OFF: Final = _advice(
    id="S07",
    name="name of 63 bytes",
    message="The name has the maximum of 63 bytes; Postgres truncates longer ones, and two names may become the same.",
    advice="Choose a shorter name.",
    related=("S08",),
    bad="""\
op.create_table(
    "readings",
    sa.Column("the_moment_at_which_a_signed_in_reader_has_read_this_note_last_", sa.DateTime(timezone=True)),
)""",
    good="""op.create_table("readings", sa.Column("last_read_at", sa.DateTime(timezone=True)))""",
)
NAMELESS: Final = _of_new_table(
    id="S08",
    name="constraint without a name",
    message="Postgres chose the constraint's name, which a later revision has to guess.",
    code="""\
# on the models' metadata, so that autogenerate writes the names:
metadata = sa.MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s"})""",
    related=("R05",),
    bad="""\
op.create_table(
    "tags", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("name", sa.Text(), unique=True)
)""",
    good="""\
op.create_table(
    "tags",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("name", sa.Text()),
    sa.UniqueConstraint("name", name="tags_name_once"),
)""",
)
