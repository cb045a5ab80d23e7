import sqlalchemy as sa
from alembic import op


def before():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("stars", sa.Integer()),
    )


def bad():
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("notes", sa.Column("read", sa.Boolean()))


def good():
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    op.execute("SET LOCAL idle_in_transaction_session_timeout = '1min'")
    op.add_column("notes", sa.Column("read", sa.Boolean()))
