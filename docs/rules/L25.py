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
    op.execute("TRUNCATE notes")


def good():
    with op.get_context().autocommit_block():
        batch = "DELETE FROM notes WHERE id IN (SELECT id FROM notes WHERE title IS NULL LIMIT 1000)"
        while op.get_bind().execute(sa.text(batch)).rowcount:
            pass
