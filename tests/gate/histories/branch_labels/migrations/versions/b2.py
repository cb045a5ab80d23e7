from alembic import op

revision = "b2"
down_revision = "b1"


def upgrade():
    op.execute("CREATE VIEW authors AS SELECT people.id, title FROM people JOIN notes USING (id)")


def downgrade():
    op.execute("DROP VIEW authors")
