import sqlalchemy as sa
from alembic import op


def before():
    pass


def bad():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("mood", sa.Enum("good", "bad", name="mood")),
    )


def bad_down():
    op.drop_table("notes")


def good():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("mood", sa.Enum("good", "bad", name="mood")),
    )


def good_down():
    op.drop_table("notes")
    sa.Enum(name="mood").drop(op.get_bind())
