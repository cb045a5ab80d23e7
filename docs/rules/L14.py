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
    op.add_column("notes", sa.Column("token", sa.Uuid(), server_default=sa.func.gen_random_uuid()))


def good():
    op.add_column("notes", sa.Column("token", sa.Uuid()))
    op.alter_column("notes", "token", server_default=sa.func.gen_random_uuid())  # for new rows


def good_2():
    with op.get_context().autocommit_block():
        batch = "UPDATE notes SET token = DEFAULT WHERE id IN (SELECT id FROM notes WHERE token IS NULL LIMIT 1000)"
        while op.get_bind().execute(sa.text(batch)).rowcount:
            pass
