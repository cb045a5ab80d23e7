import sqlalchemy as sa
from alembic import op


def before():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("stars", sa.Integer()),
    )
    op.execute("CREATE VIEW titles AS SELECT id, title FROM notes")


def bad():
    op.execute("CREATE OR REPLACE VIEW titles AS SELECT id, title, stars FROM notes")


def good():
    op.execute("CREATE VIEW starred_titles AS SELECT id, title, stars FROM notes")  # the next release reads it
