import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    with op.batch_alter_table("notes") as batch:
        batch.add_column(sa.Column("length", sa.Integer))
        batch.alter_column("title", new_column_name="heading")


def downgrade():
    with op.batch_alter_table("notes") as batch:
        batch.alter_column("heading", new_column_name="title")
        batch.drop_column("length")
