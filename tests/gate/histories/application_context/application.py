"""An application whose engine can be had only within its context."""

from contextlib import contextmanager
from contextvars import ContextVar

import sqlalchemy as sa

current = ContextVar("current")


class Application:
    def __init__(self, url):
        self.engine = sa.create_engine(url)
        self.metadata = sa.MetaData()
        sa.Table("notes", self.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.Text))

    @contextmanager
    def context(self):
        token = current.set(self)
        yield
        current.reset(token)


def make_application(url):
    return Application(url)


def current_application():
    return current.get()
