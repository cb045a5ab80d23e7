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
    op.alter_column("notes", "title", nullable=False)


def good():
    op.create_check_constraint("notes_title_not_null", "notes", "title IS NOT NULL", postgresql_not_valid=True)


def good_2():
    op.execute("UPDATE notes SET title = '' WHERE title IS NULL")  # in batches, when there are many
    op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_title_not_null")


def good_3():
    op.alter_column("notes", "title", nullable=False)  # trusts the check and reads nothing
    op.drop_constraint("notes_title_not_null", "notes")
