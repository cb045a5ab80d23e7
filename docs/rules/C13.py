import sqlalchemy as sa
from alembic import op

RECORDED = ("SET LOCAL ROLE pg_monitor; SELECT * FROM notes",)


def before():
    op.create_table("notes", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("title", sa.Text()))
    op.execute("GRANT SELECT ON notes TO pg_monitor")


def bad():
    op.execute("REVOKE SELECT ON notes FROM pg_monitor")


def good():
    op.execute("GRANT INSERT ON notes TO pg_monitor")
