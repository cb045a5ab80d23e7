import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.add_column("notes", sa.Column("length", sa.Integer))


def downgrade():
    raise NotImplementedError("roll forward")
