import sqlalchemy as sa
from alembic import op

PREVIOUS = 'sa.Table("notes", metadata, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text))'


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))


def bad():
    op.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
    op.execute("CREATE TRIGGER refusing BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION refuse()")


def good():
    op.execute(
        "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'old'; RETURN NEW; END $$"
    )
    op.execute("CREATE TRIGGER warning BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION warn()")
