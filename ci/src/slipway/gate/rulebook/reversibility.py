"""R and U: revisions that cannot be undone, or done again."""

from typing import Final

from slipway.gate.rulebook.rule import IRREVERSIBLE, NOTES_AND_AUTHORS, NOTHING, Example, Rule
from slipway.records.proof import Level

_ADD: Final = 'op.add_column("notes", sa.Column("read", sa.Boolean()))'
_ADD_AND_DROP: Final = f'{_ADD}\n# in downgrade():\nop.drop_column("notes", "read")'
_MOOD: Final = """\
op.create_table(
    "notes",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("mood", sa.Enum("good", "bad", name="mood")),
)
# in downgrade():
op.drop_table("notes")"""

FAILS: Final = Rule(
    id="U01",
    name="upgrade fails",
    level=Level.ERROR,
    message="The upgrade fails on an empty database; later revisions are not proven.",
    implies=NOTHING,
    advice="Correct the statement at this line.",
    related=("D01", "T01"),
    example=Example(bad="""op.add_column("note", sa.Column("read", sa.Boolean()))""", good=_ADD),
)
UNREACHED: Final = Rule(
    id="U02",
    name="revision not reached",
    level=Level.ERROR,
    message="The revision was not executed: an earlier one does not run again from an empty database. This and later revisions are not proven.",
    implies=NOTHING,
    advice="Look for an earlier revision that commits by itself (COMMIT, connection.commit()) or depends on the database's earlier contents.",
    related=("T05", "U01"),
)
EMPTY: Final = Rule(
    id="R01",
    name="empty downgrade",
    level=Level.WARNING,
    message="The downgrade does nothing, although the upgrade changes the schema.",
    implies=IRREVERSIBLE,
    advice="Write the downgrade, or raise NotImplementedError to declare that there is none.",
    related=("R03", "R06"),
    example=Example(bad=f"{_ADD}\n# in downgrade():\npass", good=_ADD_AND_DROP),
)
RAISES: Final = Rule(
    id="R02",
    name="downgrade fails",
    level=Level.ERROR,
    message="The downgrade fails; this revision cannot be rolled back.",
    implies=IRREVERSIBLE,
    advice="Correct the downgrade, or raise NotImplementedError to declare that there is none.",
    related=("R05", "R06"),
    example=Example(bad=f'{_ADD}\n# in downgrade():\nop.drop_column("notes", "red")', good=_ADD_AND_DROP),
)
TRACE: Final = Rule(
    id="R03",
    name="downgrade leaves a trace",
    level=Level.ERROR,
    message="The downgrade is incomplete: the schema differs from the one before the upgrade.",
    implies=IRREVERSIBLE,
    advice="Undo the listed differences in downgrade().",
    related=("R01", "R04"),
    example=Example(before="pass", bad=_MOOD, good=f'{_MOOD}\nsa.Enum(name="mood").drop(op.get_bind())'),
)
ENUM_TRACE: Final = """\
def downgrade() -> None:
    …  # drop the columns that use the type
    sa.Enum(name="{name}").drop(op.get_bind(), checkfirst=True)"""
NAMELESS: Final = Rule(
    id="R05",
    name="downgrade drops an unnamed constraint",
    level=Level.ERROR,
    message="The downgrade drops a constraint without a name; Postgres chose one, so the statement cannot be written.",
    implies=IRREVERSIBLE,
    code="""\
# on the models' metadata, so that autogenerate writes the name:
metadata = sa.MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s"})
# in this revision, the name that Postgres chose:
op.drop_constraint("…_fkey", …)""",
    related=("R02", "S08"),
    example=Example(
        before=NOTES_AND_AUTHORS,
        bad="""\
op.create_foreign_key(None, "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)
# in downgrade():
op.drop_constraint(None, "notes", type_="foreignkey")""",
        good="""\
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)
# in downgrade():
op.drop_constraint("notes_author", "notes", type_="foreignkey")""",
    ),
)
DIFFERS: Final = Rule(
    id="R04",
    name="second upgrade fails or differs",
    level=Level.ERROR,
    message="After the downgrade, the upgrade fails or ends in a different schema.",
    implies=IRREVERSIBLE,
    advice="Undo all of upgrade() in downgrade().",
    related=("R03",),
    example=Example(
        bad=f"""\
op.create_table("tags", sa.Column("name", sa.Text(), primary_key=True))
{_ADD_AND_DROP}""",
        good=f"""\
op.create_table("tags", sa.Column("name", sa.Text(), primary_key=True))
{_ADD_AND_DROP}
op.drop_table("tags")""",
    ),
)
ROLL_FORWARD: Final = Rule(
    id="R06",
    name="no downgrade declared",
    level=Level.NOTE,
    message="The revision declares that it has no downgrade.",
    implies=IRREVERSIBLE,
    advice="Nothing to do; a rollback of the image across this revision is refused.",
    related=("R01", "R02"),
    example=Example(
        bad=f"""\
{_ADD}
# in downgrade():
raise NotImplementedError("restore a backup instead")""",
        good=_ADD_AND_DROP,
    ),
)
