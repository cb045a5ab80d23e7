"""env.py reads what the application reads: variables that must be there."""

import os

from alembic import context
from sqlalchemy import create_engine, pool

if not (os.environ["NOTES_SECRET_KEY"] and os.environ["NOTES_DB_HOST"]):
    raise SystemExit("settings are missing")
engine = create_engine(os.environ["NOTES_DSN"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
