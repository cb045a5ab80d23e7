import sqlalchemy as sa
from alembic import op


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("price", sa.Numeric(10, 2)))


def bad():
    op.alter_column("notes", "price", type_=sa.Integer(), postgresql_using="price::integer")


def good():
    op.add_column("notes", sa.Column("whole_price", sa.Integer()))
