revision = "m1"
down_revision = ("a2", "a3")


def upgrade():
    pass


def downgrade():
    pass
