import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

RECORDED = ("SELECT DISTINCT tags FROM notes",)


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("tags", postgresql.JSONB()))


def bad():
    op.execute("ALTER TABLE notes ALTER tags TYPE json")


def good():
    op.add_column("notes", sa.Column("labels", postgresql.JSONB()))
