import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.bulk_insert(
        sa.table("kinds", sa.column("id", sa.Integer), sa.column("name", sa.Text)),
        [{"id": number, "name": "other"} for number in range(10000, 10100)],
    )


def downgrade():
    op.execute("DELETE FROM kinds WHERE id BETWEEN 10000 AND 10099")
