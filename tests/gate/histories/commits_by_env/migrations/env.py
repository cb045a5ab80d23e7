"""env.py begins and commits by itself, and so does a revision."""

from alembic import context
from sqlalchemy import create_engine, pool, text

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    connection.execute(text("SET lock_timeout = '4s'"))
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
