import sqlalchemy as sa
from alembic import op


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), nullable=False), sa.Column("title", sa.Text()))


def bad():
    op.create_primary_key("notes_pkey", "notes", ["id"])


def good():
    with op.get_context().autocommit_block():
        op.drop_index("notes_pkey", "notes", postgresql_concurrently=True, if_exists=True)
        op.create_index("notes_pkey", "notes", ["id"], unique=True, postgresql_concurrently=True)


def good_2():
    op.execute("ALTER TABLE notes ADD CONSTRAINT notes_pkey PRIMARY KEY USING INDEX notes_pkey")
