import sqlalchemy as sa
from alembic import op


def before():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("stars", sa.Integer()),
    )


def bad():
    op.create_table(
        "readings",
        sa.Column("the_moment_at_which_somebody_has_read_this_note_for_the_last_ti", sa.DateTime(timezone=True)),
    )


def good():
    op.create_table("readings", sa.Column("last_read_at", sa.DateTime(timezone=True)))
