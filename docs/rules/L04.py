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
    op.create_unique_constraint("notes_title", "notes", ["title"])


def good():
    with op.get_context().autocommit_block():
        op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)
        op.create_index("notes_title", "notes", ["title"], unique=True, postgresql_concurrently=True)


def good_2():
    op.execute("ALTER TABLE notes ADD CONSTRAINT notes_title UNIQUE USING INDEX notes_title")
