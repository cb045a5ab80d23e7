import sqlalchemy as sa
from alembic import op


def before():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("stars", sa.Integer()),
    )
    op.execute("CREATE MATERIALIZED VIEW top AS SELECT id, stars FROM notes")
    op.execute("CREATE UNIQUE INDEX top_id ON top (id)")


def bad():
    op.execute("REFRESH MATERIALIZED VIEW top")


def good():
    with op.get_context().autocommit_block():
        op.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY top")
