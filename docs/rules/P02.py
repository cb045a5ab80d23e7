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
    op.add_column("notes", sa.Column("shout", sa.Text()))
    op.execute("UPDATE notes SET stars = 0 WHERE id = 1")


def good():
    op.add_column("notes", sa.Column("shout", sa.Text()))


def good_2():
    op.execute("UPDATE notes SET stars = 0 WHERE id = 1")
