import sqlalchemy as sa
from alembic import op


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
    op.create_index("notes_title", "notes", ["title"])


def bad():
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_title_new ON notes (lower(title))")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS notes_title")
        op.execute("ALTER INDEX IF EXISTS notes_title_new RENAME TO notes_title")


def good():
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS notes_title_new")
        op.execute("CREATE INDEX CONCURRENTLY notes_title_new ON notes (lower(title))")


def good_2():
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.drop_index("notes_title")
    op.execute("ALTER INDEX notes_title_new RENAME TO notes_title")
