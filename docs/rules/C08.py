import sqlalchemy as sa
from alembic import op

PREVIOUS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))'


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))


def bad():
    op.create_check_constraint("long_title", "notes", "length(title) > 10", postgresql_not_valid=True)


def good():
    op.create_check_constraint("title_not_empty", "notes", "title <> ''", postgresql_not_valid=True)
