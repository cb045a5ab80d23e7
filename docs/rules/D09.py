import sqlalchemy as sa
from alembic import op


def before():
    pass


def bad():
    levels = op.create_table("levels", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.Text()))
    op.bulk_insert(levels, [{"id": 1, "name": "low"}, {"id": 2, "name": "high"}])


def good():
    levels = op.create_table("levels", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.Text()))
    op.bulk_insert(levels, [{"id": 1, "name": "low"}, {"id": 2, "name": "high"}])
    op.execute("SELECT setval('levels_id_seq', (SELECT max(id) FROM levels))")
