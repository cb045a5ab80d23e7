import sqlalchemy as sa
from alembic import op


def before():
    op.create_table("authors", sa.Column("id", sa.BigInteger(), primary_key=True))


def bad():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("author_id", sa.BigInteger(), sa.ForeignKey("authors.id")),
    )


def good():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("author_id", sa.BigInteger()),
    )


def good_2():
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"], postgresql_not_valid=True)


def good_3():
    op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_author")
