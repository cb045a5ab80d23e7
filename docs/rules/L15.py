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
    op.add_column("notes", sa.Column("number", sa.BigInteger(), sa.Identity()))


def good():
    op.execute("CREATE SEQUENCE notes_number_seq")
    op.add_column("notes", sa.Column("number", sa.BigInteger()))
    op.alter_column("notes", "number", server_default=sa.text("nextval('notes_number_seq')"))  # for new rows


def good_2():
    with op.get_context().autocommit_block():
        batch = "UPDATE notes SET number = DEFAULT WHERE id IN (SELECT id FROM notes WHERE number IS NULL LIMIT 1000)"
        while op.get_bind().execute(sa.text(batch)).rowcount:
            pass
