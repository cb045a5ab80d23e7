"""Small alembic projects and the database that they migrate."""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

_INI = "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"

_ENV = """\
import sqlalchemy as sa
from alembic import context

engine = sa.create_engine("postgresql+psycopg://nobody@nowhere.invalid/nothing", poolclass=sa.pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""

# The first line of upgrade() is line 8 of the file.
_REVISION = """\
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}

def upgrade():
{upgrade}
"""

WriteProject = Callable[..., Path]


@pytest.fixture
def url(database: str) -> URL:
    """An empty database, as SQLAlchemy names it."""
    return make_url(database).set(drivername="postgresql+psycopg")


@pytest.fixture
def write_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteProject:
    """Writes an alembic project with revisions {id: (what it follows, body of upgrade)}, takes others away, changes to its folder, and returns its settings file."""

    def write(revisions: Mapping[str, tuple], env: str = _ENV, without: Iterable[str] = ()) -> Path:
        versions = tmp_path / "migrations/versions"
        versions.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(tmp_path)
        for revision, (down, body) in revisions.items():
            upgrade = textwrap.indent(textwrap.dedent(body).strip() or "pass", "    ")
            (versions / f"{revision}.py").write_text(_REVISION.format(revision=revision, down=down, upgrade=upgrade))
        for revision in without:
            (versions / f"{revision}.py").unlink()
        (tmp_path / "migrations/env.py").write_text(env)
        (tmp_path / "alembic.ini").write_text(_INI)
        return tmp_path / "alembic.ini"

    return write
