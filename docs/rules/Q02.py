import sqlalchemy as sa
from alembic import op


def before():
    op.create_table("authors", sa.Column("id", sa.BigInteger(), primary_key=True))
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("author_id", sa.BigInteger(), sa.ForeignKey("authors.id", name="notes_author")),
    )


def bad():
    op.drop_table("notes")


def good():
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_table("notes")
