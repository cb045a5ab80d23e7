import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def before():
    op.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("mood", postgresql.ENUM(name="mood", create_type=False)),
    )


def bad():
    op.execute("ALTER TYPE mood ADD VALUE 'ugly'")
    op.alter_column("notes", "mood", server_default="ugly")


def good():
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'ugly'")


def good_2():
    op.alter_column("notes", "mood", server_default="ugly")
