import sqlalchemy as sa
from alembic import op

PREVIOUS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))'


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))


def bad():
    op.execute("UPDATE notes SET title = '' WHERE title IS NULL")
    op.alter_column("notes", "title", nullable=False)


def good():
    op.create_check_constraint("title_not_empty", "notes", "title <> ''", postgresql_not_valid=True)
