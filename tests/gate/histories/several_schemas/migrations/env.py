"""Two schemas, and alembic's table in a third."""

from alembic import context
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, pool, text

metadata = MetaData()
Table("bills", metadata, Column("id", Integer, primary_key=True), schema="billing")
Table("notes", metadata, Column("id", Integer, primary_key=True))
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS versions"))
    connection.commit()
    context.configure(
        connection=connection, target_metadata=metadata, include_schemas=True, version_table_schema="versions"
    )
    with context.begin_transaction():
        context.run_migrations()
