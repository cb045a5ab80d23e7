import sqlalchemy as sa
from alembic import op

PREVIOUS = """\
sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))
"""
BAD_START = "sh -c 'alembic upgrade head && exec uvicorn app.main:app'"
GOOD_START = ""


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))


def bad():
    op.add_column("notes", sa.Column("read", sa.Boolean()))


def good():
    op.add_column("notes", sa.Column("read", sa.Boolean()))
