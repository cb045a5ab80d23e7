import sqlalchemy as sa
from alembic import op

MODELS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text, index=True))'


def before():
    pass


def bad():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
    op.create_index("notes_by_title", "notes", ["title"])


def bad_down():
    op.drop_table("notes")


def good():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
    op.create_index("ix_notes_title", "notes", ["title"])


def good_down():
    op.drop_table("notes")
