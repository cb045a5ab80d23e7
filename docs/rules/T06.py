import sqlalchemy as sa
from alembic import op

BAD_ENV = """\
connection.execute(sa.text("SELECT 1"))
"""


def before():
    op.create_table(
        "notes",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("stars", sa.Integer()),
    )


def bad():
    with op.get_context().autocommit_block():
        op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True)


def good():
    with op.get_context().autocommit_block():
        op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)
        op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True)


def good_down():
    op.drop_index("notes_title", "notes")
