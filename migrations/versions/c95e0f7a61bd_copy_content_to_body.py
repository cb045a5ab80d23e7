"""Copy content to body in batches; can be interrupted and run again."""

import sqlalchemy as sa
from alembic import op

revision = "c95e0f7a61bd"
down_revision = "a4d27b5e8f13"

BATCH = 1000

COPY = sa.text("""
    UPDATE notes SET body = content
    WHERE id IN (SELECT id FROM notes WHERE body = '' AND content <> '' LIMIT :batch)
""")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        while op.get_bind().execute(COPY, {"batch": BATCH}).rowcount:
            pass


def downgrade() -> None:
    """Nothing to undo: content still holds the text."""
