from alembic import op


def before():
    op.execute("CREATE TABLE events (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at)")
    op.execute("CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
    op.execute("CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")


def bad():
    op.create_index("events_id", "events", ["id"])


def good():
    op.execute("CREATE INDEX events_id ON ONLY events (id)")  # not valid yet, and instant


def good_2():
    with op.get_context().autocommit_block():
        for year in (2025, 2026):
            op.drop_index(f"events_{year}_id", f"events_{year}", postgresql_concurrently=True, if_exists=True)
            op.create_index(f"events_{year}_id", f"events_{year}", ["id"], postgresql_concurrently=True)


def good_3():
    for year in (2025, 2026):
        op.execute(f"ALTER INDEX events_id ATTACH PARTITION events_{year}_id")  # the last one makes it valid
