import sqlalchemy as sa
from alembic import op


def before():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("stars", sa.Integer()),
    )
    op.execute("CREATE DOMAIN rank AS integer CHECK (VALUE >= 0)")


def bad():
    op.execute("ALTER TABLE notes ADD COLUMN rank rank")


def good():
    op.add_column("notes", sa.Column("rank", sa.Integer()))
    op.create_check_constraint("notes_rank", "notes", "rank >= 0", postgresql_not_valid=True)


def good_2():
    op.execute("ALTER TABLE notes VALIDATE CONSTRAINT notes_rank")
