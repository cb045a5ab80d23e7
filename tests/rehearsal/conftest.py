"""A copy of the reference service in a repository of its own, where a test may break what it likes."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("app", "migrations", "alembic.ini", "pyproject.toml", "uv.lock", "rehearsal")


class Checkout:
    """A repository with one commit of the service; `commit` adds another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def commit(self) -> None:
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", "a change")

    def replace(self, name: str, text: str) -> None:
        """Write a file and commit it."""
        (self.folder / name).write_text(text)
        self.commit()

    def _git(self, *arguments: str) -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", self.folder, *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "service"
    folder.mkdir()
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    made = Checkout(folder)
    made.commit()
    return made


SMALL = {
    "settings.toml": """\
[tool.slipway]
name = "small"
command = ["python", "serve.py", "8000"]
port = 8000
health-path = "/"

[tool.slipway.migrations]
config = "alembic.ini"
database-variable = "DATABASE_URL"
""",
    "serve.py": """\
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(404 if self.path == "/absent" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
""",
    "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n",
    "migrations/env.py": """\
import os

from alembic import context
from sqlalchemy import create_engine, pool

limits = "-c lock_timeout=2s -c statement_timeout=10min -c idle_in_transaction_session_timeout=1min"
engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool, connect_args={"options": limits})
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
""",
    "migrations/versions/aaa.py": """\
from alembic import op

revision = "aaa"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE notes (id bigint PRIMARY KEY, title text)")


def downgrade():
    op.execute("DROP TABLE notes")
""",
}
INDEX = """\
from alembic import op

revision = "bbb"
down_revision = "aaa"


def upgrade():
    op.create_index("ix", "notes", ["title"])


def downgrade():
    op.drop_index("ix", "notes")
"""


@pytest.fixture
def small(tmp_path: Path) -> Checkout:
    """A service of one file and one revision, cheap to run and to prove, in the environment of the reference service."""
    folder = tmp_path / "small"
    for name, text in SMALL.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    made = Checkout(folder)
    made.commit()
    return made
