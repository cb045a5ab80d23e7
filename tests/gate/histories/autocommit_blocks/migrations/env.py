"""An index is built CONCURRENTLY, in an autocommit block; a sequence of the migrations' own numbers the model's rows."""

from alembic import context
from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, create_engine, pool

metadata = MetaData()
notes = Table("notes", metadata, Column("id", Integer, primary_key=True), Column("title", Text))
Index("notes_title", notes.c.title)
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
