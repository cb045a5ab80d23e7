import sqlalchemy as sa
from alembic import op


def before():
    op.create_table("authors", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("name", sa.Text()))
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("author_id", sa.BigInteger()),
    )


def bad():
    op.add_column("notes", sa.Column("read", sa.Boolean()))
    op.add_column("authors", sa.Column("seen", sa.Boolean()))


def good():
    op.add_column("notes", sa.Column("read", sa.Boolean()))


def good_2():
    op.add_column("authors", sa.Column("seen", sa.Boolean()))
