import sqlalchemy as sa
from alembic import op

PREVIOUS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))'


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))


def bad():
    op.execute("CREATE SEQUENCE numbers MAXVALUE 3")
    op.execute("SELECT setval('numbers', 3)")
    op.execute(
        "CREATE FUNCTION number() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('numbers'); RETURN NEW; END $$"
    )
    op.execute("CREATE TRIGGER numbered BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION number()")


def good():
    op.execute("CREATE SEQUENCE numbers")
