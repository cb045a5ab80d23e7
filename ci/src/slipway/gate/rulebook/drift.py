"""Drift: migrations and models that build different schemas."""

from typing import Final

from slipway.gate.rulebook.rule import NOTHING, Example, Rule
from slipway.records.proof import Level

DRIFT: Final = Rule(
    id="drift",
    name="models and migrations differ",
    level=Level.ERROR,
    message="The models and the migrations build different schemas: the application runs on one and is tested on the other.",
    implies=NOTHING,
    advice="Write a revision that adapts the schema to the models (start with alembic revision --autogenerate), or correct the models.",
    related=("drift-name",),
    example=Example(
        before="pass",
        bad="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True))
# in downgrade():
op.drop_table("notes")""",
        good="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
# in downgrade():
op.drop_table("notes")""",
        models="""sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))""",
    ),
)
NAMED_APART: Final = Rule(
    id="drift-name",
    name="models and migrations use different names",
    level=Level.WARNING,
    message="The models and the migrations give one object different names; a later drop by name will fail.",
    implies=NOTHING,
    advice="Give the object the same name in both, preferably by a naming_convention on the metadata.",
    related=("drift", "S08"),
    example=Example(
        before="pass",
        bad="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
op.create_index("notes_by_title", "notes", ["title"])
# in downgrade():
op.drop_table("notes")""",
        good="""\
op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
op.create_index("ix_notes_title", "notes", ["title"])
# in downgrade():
op.drop_table("notes")""",
        models="""sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text, index=True))""",
    ),
)
