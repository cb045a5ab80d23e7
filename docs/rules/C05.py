import sqlalchemy as sa
from alembic import op

PREVIOUS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))'


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))


def bad():
    op.add_column("notes", sa.Column("kind", sa.Text(), nullable=False, server_default="plain"))
    op.alter_column("notes", "kind", server_default=None)


def good():
    op.add_column("notes", sa.Column("kind", sa.Text(), nullable=False, server_default="plain"))
