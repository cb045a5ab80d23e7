import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    kinds = op.create_table("kinds", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
    op.bulk_insert(kinds, [{"id": 1, "name": "memo"}, {"id": 2, "name": "letter"}])


def downgrade():
    op.drop_table("kinds")
