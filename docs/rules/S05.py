import sqlalchemy as sa
from alembic import op


def before():
    pass


def bad():
    op.create_table("notes", sa.Column("written", sa.DateTime()))


def good():
    op.create_table("notes", sa.Column("written", sa.DateTime(timezone=True)))
