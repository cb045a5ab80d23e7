import sqlalchemy as sa
from alembic import op


def before():
    op.create_table("authors", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("name", sa.Text()))
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("author_id", sa.BigInteger()),
    )


def bad():
    op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)


def good():
    op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)


def good_2():
    with op.get_context().autocommit_block():
        op.drop_index("ix_notes_author_id", "notes", postgresql_concurrently=True, if_exists=True)
        op.create_index("ix_notes_author_id", "notes", ["author_id"], postgresql_concurrently=True)


def good_2_down():
    op.drop_index("ix_notes_author_id", "notes")
