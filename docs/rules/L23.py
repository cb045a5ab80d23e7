import sqlalchemy as sa
from alembic import op


def before():
    op.execute("CREATE TABLE events (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at)")
    op.execute("CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
    op.execute("CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")


def bad():
    op.execute("ALTER TABLE events DETACH PARTITION events_2025")


def good():
    attached = sa.text("SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'events_2025'::regclass")
    pending = op.get_bind().scalar(attached)  # True when an attempt was interrupted, None when it is done
    if pending is not None:
        with op.get_context().autocommit_block():
            op.execute(f"ALTER TABLE events DETACH PARTITION events_2025 {'FINALIZE' if pending else 'CONCURRENTLY'}")
