import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.execute("CREATE SCHEMA billing")
    op.create_table("bills", sa.Column("id", sa.Integer, primary_key=True), schema="billing")
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("notes")
    op.drop_table("bills", schema="billing")
    op.execute("DROP SCHEMA billing")
