from alembic import op


def before():
    op.execute("CREATE TABLE events (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at)")
    op.execute("CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
    op.execute("CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
    op.execute("CREATE TABLE events_2027 (id bigint NOT NULL, at date NOT NULL)")


def bad():
    op.execute("ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")


def good():
    op.create_check_constraint(
        "events_2027_bounds", "events_2027", "at >= '2027-01-01' AND at < '2028-01-01'", postgresql_not_valid=True
    )


def good_2():
    op.execute("ALTER TABLE events_2027 VALIDATE CONSTRAINT events_2027_bounds")


def good_3():
    op.execute("ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
