import sqlalchemy as sa
from alembic import op

PREVIOUS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))'


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))


def bad():
    op.rename_table("notes", "entries")


def good():
    op.rename_table("notes", "entries")
    op.execute("CREATE VIEW notes AS SELECT * FROM entries")  # can be written to; drop it in the release after
