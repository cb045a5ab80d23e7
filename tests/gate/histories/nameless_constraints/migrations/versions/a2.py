import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.create_table("words", sa.Column("id", sa.Integer), sa.Column("note", sa.Integer))
    op.create_foreign_key(None, "words", "notes", ["note"], ["id"])


def downgrade():
    op.drop_constraint(None, "words", type_="foreignkey")
    op.drop_table("words")
