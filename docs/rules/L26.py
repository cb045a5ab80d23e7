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
    op.execute("DO $$ BEGIN EXECUTE 'ALTER ' || 'TABLE notes ALTER stars TYPE bigint'; END $$")


def good():
    op.add_column("notes", sa.Column("stars_new", sa.BigInteger()))  # the next release writes both
