import sqlalchemy as sa
from alembic import op


def before():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("stars", sa.Integer()),
    )
    op.create_index("notes_title", "notes", ["title"])


def bad():
    op.execute("REINDEX INDEX notes_title")


def good():
    with op.get_context().autocommit_block():
        # what an interrupted attempt left:
        op.drop_index("notes_title_ccnew", postgresql_concurrently=True, if_exists=True)
        op.execute("REINDEX INDEX CONCURRENTLY notes_title")
