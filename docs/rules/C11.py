import sqlalchemy as sa
from alembic import op

RECORDED = ("SELECT title_of(1)",)


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
    op.execute(
        "CREATE FUNCTION title_of(bigint) RETURNS text LANGUAGE sql AS $$ SELECT title FROM notes WHERE id = $1 $$"
    )


def bad():
    op.execute("DROP FUNCTION title_of(bigint)")


def good():
    op.execute(
        "CREATE FUNCTION heading_of(bigint) RETURNS text LANGUAGE sql AS $$ SELECT title FROM notes WHERE id = $1 $$"
    )
