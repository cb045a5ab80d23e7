"""A: comments that suppress findings."""

from typing import Final

from slipway.gate.rulebook.rule import NOTHING, Example, Rule
from slipway.records.proof import Level

FORM: Final = "# slipway: allow RULE until=2027-01-31 because REASON"

UNUSED: Final = Rule(
    id="A01",
    name="unused comment",
    level=Level.WARNING,
    message="The comment allows a finding that does not occur; it would hide the next one.",
    implies=NOTHING,
    advice="Delete the comment, or the rule in it that has no finding.",
    related=("A02",),
    example=Example(
        bad="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# slipway: allow L01 because the table has ten rows
op.add_column("notes", sa.Column("read", sa.Boolean()))""",
        good="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# slipway: allow L01 because the table has ten rows
op.create_index("notes_title", "notes", ["title"])""",
    ),
)
UNREADABLE: Final = Rule(
    id="A02",
    name="unreadable comment",
    level=Level.ERROR,
    message="The comment is meant to allow a finding, but it cannot be read.",
    implies=NOTHING,
    code=f"""\
{FORM}
# On the line of the statement, right above it, or at the top level for the whole file.
# Separate several rules with commas; `until=` is optional.""",
    related=("A01",),
    example=Example(
        bad="""\
# slipway: allow L01
op.create_index("notes_title", "notes", ["title"])""",
        good="""\
# slipway: allow L01 because the table has ten rows
op.create_index("notes_title", "notes", ["title"])""",
    ),
)
