"""Migrations proven by execution: History -> Proof.

Runs in the service's own environment (`python -m slipway.gate`): standard library, sqlalchemy, alembic and the service's driver, nothing
else. Its input is the service's alembic configuration and a Postgres it may create databases in; its output is a Proof.
"""
