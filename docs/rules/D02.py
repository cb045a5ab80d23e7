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
    op.execute("UPDATE notes SET title = 'none' WHERE title IS NOT NULL")


def bad_down():
    op.execute("SELECT 1")


def good():
    op.add_column("notes", sa.Column("title_before", sa.Text()))


def good_2():
    op.execute("UPDATE notes SET title_before = title, title = 'none'")


def good_2_down():
    op.execute("UPDATE notes SET title = title_before")
