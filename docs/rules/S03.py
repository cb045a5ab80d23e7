import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def before():
    pass


def bad():
    op.create_table("notes", sa.Column("meta", sa.JSON()))


def good():
    op.create_table("notes", sa.Column("meta", postgresql.JSONB()))
