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
    # slipway: allow L01
    op.create_index("notes_title", "notes", ["title"])


def good():
    # slipway: allow L01 because the table has ten rows
    op.create_index("notes_title", "notes", ["title"])
