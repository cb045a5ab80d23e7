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
    op.create_check_constraint("notes_stars", "notes", "stars >= 0")


def good():
    op.create_check_constraint("notes_stars", "notes", "stars >= 0", postgresql_not_valid=True)


def good_2():
    op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_stars")
