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
    op.add_column("notes", sa.Column("shout", sa.Text()))


def bad_2():
    with op.get_context().autocommit_block():
        op.execute("UPDATE notes SET shout = upper(title)")


def good():
    op.add_column("notes", sa.Column("shout", sa.Text()))


def good_2():
    with op.get_context().autocommit_block():
        batch = "UPDATE notes SET shout = upper(title) WHERE id IN (SELECT id FROM notes WHERE shout IS DISTINCT FROM upper(title) LIMIT 1000)"
        while op.get_bind().execute(sa.text(batch)).rowcount:
            pass
