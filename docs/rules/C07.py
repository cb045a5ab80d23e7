import sqlalchemy as sa
from alembic import op

PREVIOUS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))'


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))


def bad():
    op.execute("ALTER TABLE notes ALTER title TYPE integer USING length(title)")


def good():
    op.add_column("notes", sa.Column("length", sa.Integer()))
