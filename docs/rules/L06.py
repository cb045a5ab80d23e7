import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


def before():
    op.create_table(
        "bookings",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
    )


def bad():
    op.create_exclude_constraint("bookings_overlap", "bookings", ("during", "&&"), using="gist")


def good():
    op.create_table(
        "bookings_next",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        postgresql.ExcludeConstraint(("during", "&&"), name="bookings_overlap", using="gist"),
    )
    # next: copy in batches while the application writes both, then swap the names
