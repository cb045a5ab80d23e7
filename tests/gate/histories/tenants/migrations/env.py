"""One schema for each tenant; env.py runs the whole history in each, by search_path."""

from alembic import context
from sqlalchemy import create_engine, pool, text

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    for tenant in ("north", "south"):
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {tenant}"))
        connection.execute(text(f"SET search_path TO {tenant}"))
        connection.commit()
        connection.dialect.default_schema_name = tenant
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
