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
    op.execute("ALTER TABLE notes SET UNLOGGED")


def good():
    op.create_table(
        "drafts",  # what may be lost in a crash has a table of its own
        sa.Column("id", sa.BigInteger(), primary_key=True),
        prefixes=["UNLOGGED"],
    )
