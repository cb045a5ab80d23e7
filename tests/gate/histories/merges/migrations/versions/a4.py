from alembic import op

revision = "a4"
down_revision = "m1"


def upgrade():
    op.execute('UPDATE notes SET "left" = "right" WHERE id < 0')


def downgrade():
    pass
