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
    from service_models import Note

    op.execute(sa.update(Note).values(title="none"))


def good():
    notes = sa.table("notes", sa.column("title", sa.Text))
    op.execute(sa.update(notes).values(title="none"))
