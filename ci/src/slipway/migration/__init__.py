"""A service's alembic history, run in the service's own environment: its env.py stays in charge, the database is the one we name.

Runs in the service's own environment (`python -m slipway.migration`): standard library, sqlalchemy, alembic and the service's driver.
"""
