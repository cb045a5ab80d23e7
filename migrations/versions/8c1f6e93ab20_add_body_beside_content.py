"""Add body beside content: the first half of a rename (expand).

From here on the release writes both columns, so that the release before it can still run.
"""

import sqlalchemy as sa
from alembic import op

revision = "8c1f6e93ab20"
down_revision = "5b0a7d1c42ef"


def upgrade() -> None:
    # A constant default does not rewrite the table: the lock is held for an instant.
    op.add_column("notes", sa.Column("body", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    op.drop_column("notes", "body")
