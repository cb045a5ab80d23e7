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
    op.create_check_constraint("notes_title_there", "notes", "title IS NOT NULL", postgresql_not_valid=True)
    op.create_check_constraint("notes_stars_there", "notes", "stars IS NOT NULL", postgresql_not_valid=True)


def bad_2():
    op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_title_there")
    op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_stars_there")


def good():
    op.create_check_constraint("notes_title_there", "notes", "title IS NOT NULL", postgresql_not_valid=True)
    op.create_check_constraint("notes_stars_there", "notes", "stars IS NOT NULL", postgresql_not_valid=True)


def good_2():
    op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_title_there, VALIDATE CONSTRAINT notes_stars_there")
