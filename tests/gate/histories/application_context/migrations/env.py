"""env.py that needs an application's context, as Flask-Migrate's does."""

from alembic import context
from application import current_application, make_application

application = make_application(context.config.get_main_option("sqlalchemy.url"))
with application.context(), current_application().engine.connect() as connection:
    context.configure(connection=connection, target_metadata=current_application().metadata)
    with context.begin_transaction():
        context.run_migrations()
