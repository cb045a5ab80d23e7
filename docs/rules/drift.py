import sqlalchemy as sa
from alembic import op

MODELS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))'


def before():
    pass


def bad():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True))


def bad_down():
    op.drop_table("notes")


def good():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))


def good_down():
    op.drop_table("notes")
