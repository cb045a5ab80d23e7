import sqlalchemy as sa
from alembic import op

revision = "a3"
down_revision = "a2"


def upgrade():
    op.add_column("notes", sa.Column("words", sa.Integer))


def downgrade():
    op.drop_column("notes", "words")
