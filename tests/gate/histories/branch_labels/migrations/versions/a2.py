import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"
depends_on = "people"


def upgrade():
    op.create_table("words", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("words")
