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
    op.add_column("notes", sa.Column("read", sa.Boolean()))
    with op.get_context().autocommit_block():
        op.create_index("notes_read", "notes", ["read"], postgresql_concurrently=True)


def good():
    op.add_column("notes", sa.Column("read", sa.Boolean()))


def good_2():
    with op.get_context().autocommit_block():
        op.drop_index("notes_read", "notes", postgresql_concurrently=True, if_exists=True)
        op.create_index("notes_read", "notes", ["read"], postgresql_concurrently=True)
