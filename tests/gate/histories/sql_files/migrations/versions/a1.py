from pathlib import Path

from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.execute((Path(__file__).parent / "a1_up.sql").read_text())


def downgrade():
    op.execute((Path(__file__).parent / "a1_down.sql").read_text())
