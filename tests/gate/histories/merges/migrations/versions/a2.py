import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.add_column("notes", sa.Column("left", sa.Integer))


def downgrade():
    op.drop_column("notes", "left")
