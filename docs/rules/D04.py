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
    op.execute("UPDATE notes SET stars = 0 WHERE stars IS NULL")


def good():
    with op.get_context().autocommit_block():
        batch = "UPDATE notes SET stars = 0 WHERE id IN (SELECT id FROM notes WHERE stars IS NULL LIMIT 1000)"
        while op.get_bind().execute(sa.text(batch)).rowcount:
            pass
