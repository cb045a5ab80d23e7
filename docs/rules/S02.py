import sqlalchemy as sa
from alembic import op


def before():
    pass


def bad():
    op.create_table("notes", sa.Column("id", sa.Integer(), primary_key=True))


def good():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True))
