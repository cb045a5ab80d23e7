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
    op.execute("DELETE FROM notes WHERE title IS NULL")


def good():
    op.execute("CREATE TABLE notes_untitled AS SELECT * FROM notes WHERE title IS NULL")
