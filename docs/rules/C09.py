import sqlalchemy as sa
from alembic import op

PREVIOUS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("kind", sa.Text, server_default="plain"))'


def before():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False, server_default="plain"),
    )


def bad():
    op.alter_column("notes", "kind", server_default=None)


def good():
    op.alter_column("notes", "kind", server_default="note")
