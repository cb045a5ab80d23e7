"""The gate: it tests a history of migrations by executing it, and returns a Proof.

`python -m slipway.gate` runs in the service's own virtual environment, with nothing but the standard library,
sqlalchemy, alembic and the service's driver. It needs the service's alembic configuration and a Postgres server on
which it may create databases.
"""
