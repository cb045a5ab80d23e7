import sqlalchemy as sa
from alembic import op


def before():
    pass


def bad():
    op.create_table("notes", sa.Column("country", sa.CHAR(2)))


def good():
    op.create_table("notes", sa.Column("country", sa.Text()))
