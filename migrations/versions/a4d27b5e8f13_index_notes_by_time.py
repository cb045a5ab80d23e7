"""Index notes by time, while they are read and written."""

from alembic import op

revision = "a4d27b5e8f13"
down_revision = "8c1f6e93ab20"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # An interrupted attempt leaves an invalid index of this name; IF NOT EXISTS would keep it.
        op.drop_index("ix_notes_created_at", "notes", postgresql_concurrently=True, if_exists=True)
        op.create_index("ix_notes_created_at", "notes", ["created_at"], postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_notes_created_at", "notes", postgresql_concurrently=True, if_exists=True)
