"""Alembic's environment: a transaction for each revision, with limits on locks."""

import os

from alembic import context
from sqlalchemy import create_engine, pool

from app.models import Base


def run_migrations_online() -> None:
    limits = "-c lock_timeout=2s -c statement_timeout=10min -c idle_in_transaction_session_timeout=1min"
    engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool, connect_args={"options": limits})
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("offline SQL is not supported: revisions of this history read the database")
run_migrations_online()
