import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("notes")}
    if "length" not in columns:
        op.add_column("notes", sa.Column("length", sa.Integer))
    for identity, title in op.get_bind().execute(sa.text("SELECT id, title FROM notes")).all():
        values = {"id": identity, "length": len(title or "")}
        op.get_bind().execute(sa.text("UPDATE notes SET length = :length WHERE id = :id"), values)


def downgrade():
    op.drop_column("notes", "length")
