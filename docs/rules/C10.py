from alembic import op

PREVIOUS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False), sa.Column("mood", sa.Text))'


def before():
    op.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
    op.execute("CREATE TABLE notes (id bigint PRIMARY KEY, mood mood)")


def bad():
    op.execute("ALTER TYPE mood RENAME VALUE 'good' TO 'fine'")


def good():
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'fine'")  # the next release writes it
