import sqlalchemy as sa
from alembic import op


def before():
    pass


def bad():
    op.create_table(
        "tags", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("name", sa.Text(), unique=True)
    )


def good():
    op.create_table(
        "tags",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("name", sa.Text()),
        sa.UniqueConstraint("name", name="tags_name_once"),
    )
