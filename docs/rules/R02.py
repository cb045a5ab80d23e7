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
    op.add_column("notes", sa.Column("read", sa.Boolean()))


def bad_down():
    op.drop_column("notes", "red")


def good():
    op.add_column("notes", sa.Column("read", sa.Boolean()))


def good_down():
    op.drop_column("notes", "read")
