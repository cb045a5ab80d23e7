import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session, declarative_base

revision = "a2"
down_revision = "a1"
Base = declarative_base()


class Note(Base):
    __tablename__ = "notes"
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.Text)


def upgrade():
    with Session(op.get_bind()) as session:
        session.add(Note(id=1, title="first"))
        session.flush()
        session.scalars(sa.select(Note).where(Note.id == 1)).one().title = "the first"
        session.flush()


def downgrade():
    with Session(op.get_bind()) as session:
        session.execute(sa.delete(Note).where(Note.id == 1))
        session.flush()
