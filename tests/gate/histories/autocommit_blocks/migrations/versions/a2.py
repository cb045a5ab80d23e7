from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    with op.get_context().autocommit_block():
        op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)
        op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)
