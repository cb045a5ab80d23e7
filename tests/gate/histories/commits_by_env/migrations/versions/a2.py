import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.add_column("notes", sa.Column("length", sa.Integer))
    op.get_bind().commit()
    op.execute("UPDATE notes SET length = 0 WHERE id < 0")


def downgrade():
    op.drop_column("notes", "length")
