"""A service's alembic history on a database that we name, through the service's own env.py.

`python -m slipway.migration` runs in the service's own environment: standard library, sqlalchemy, alembic and the service's driver.
"""
