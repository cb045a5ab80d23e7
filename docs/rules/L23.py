from alembic import op


def before():
    op.execute("CREATE TABLE events (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at)")
    op.execute("CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
    op.execute("CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")


def bad():
    op.execute("ALTER TABLE events DETACH PARTITION events_2025")


def good():
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE events DETACH PARTITION events_2025 CONCURRENTLY")
