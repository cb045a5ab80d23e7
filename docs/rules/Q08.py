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
    op.alter_column("notes", "stars", server_default="0")


def good():
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.alter_column("notes", "stars", server_default="0")
