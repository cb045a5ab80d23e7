from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.execute("CREATE EXTENSION IF NOT EXISTS citext")
    op.execute("CREATE TABLE people (id int PRIMARY KEY, email citext)")


def downgrade():
    op.execute("DROP TABLE people")
    op.execute("DROP EXTENSION citext")
