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
    with op.get_context().autocommit_block():
        op.execute("VACUUM FULL notes")


def good():
    with op.get_context().autocommit_block():
        op.execute("VACUUM notes")
