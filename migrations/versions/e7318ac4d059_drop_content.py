"""Drop content: the second half of the rename (contract).

No running release names the column any more.
"""

import sqlalchemy as sa
from alembic import op

revision = "e7318ac4d059"
down_revision = "c95e0f7a61bd"


def upgrade() -> None:
    op.drop_column("notes", "content")


def downgrade() -> None:
    op.add_column("notes", sa.Column("content", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute("UPDATE notes SET content = body")
