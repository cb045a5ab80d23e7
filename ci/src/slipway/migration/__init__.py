"""A service's alembic history on a database that slipway names, run through the service's own env.py.

`python -m slipway.migration` runs in the service's own virtual environment: standard library, sqlalchemy, alembic and
the service's driver.
"""
