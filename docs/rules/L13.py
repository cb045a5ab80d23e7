import sqlalchemy as sa
from alembic import op


def before():
    op.execute("CREATE EXTENSION IF NOT EXISTS citext")
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("stars", sa.Integer()),
    )
    op.create_index("notes_title", "notes", ["title"])


def bad():
    op.execute("ALTER TABLE notes ALTER COLUMN title TYPE citext")


def good():
    with op.get_context().autocommit_block():
        op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)


def good_2():
    op.execute("ALTER TABLE notes ALTER COLUMN title TYPE citext")


def good_3():
    with op.get_context().autocommit_block():
        op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)
        op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True)
