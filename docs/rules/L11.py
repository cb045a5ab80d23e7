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
    op.alter_column("notes", "stars", type_=sa.BigInteger())


def good():
    op.add_column("notes", sa.Column("stars_new", sa.BigInteger()))  # the next release writes both


def good_2():
    with op.get_context().autocommit_block():
        batch = "UPDATE notes SET stars_new = stars WHERE id IN (SELECT id FROM notes WHERE stars_new IS DISTINCT FROM stars LIMIT 1000)"
        while op.get_bind().execute(sa.text(batch)).rowcount:
            pass


def good_3():
    op.drop_column("notes", "stars")  # when nothing reads it any more
    op.alter_column("notes", "stars_new", new_column_name="stars")
