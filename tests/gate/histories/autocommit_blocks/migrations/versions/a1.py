import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.execute("CREATE SEQUENCE note_numbers")
    number = sa.Column("id", sa.Integer, primary_key=True, server_default=sa.text("nextval('note_numbers')"))
    op.create_table("notes", number, sa.Column("title", sa.Text))


def downgrade():
    op.drop_table("notes")
    op.execute("DROP SEQUENCE note_numbers")
