"""The previous release in git: its models are read where it can be imported, and never from today's files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from slipway.finder.tree import tree_at
from slipway.local.previous import _unpack, previous_at
from slipway.local.prove import AlembicOptions, NamedServer, Workplace
from slipway.records.gate import Column, Model
from slipway.settings import Migrations
from slipway.source.commit import commit_at
from slipway.workload.dependencies import lock_of
from slipway.workload.inherited import PASSED
from slipway.workload.python import Python
from tests.forked import forking  # noqa: F401 -- a fixture

pytestmark = pytest.mark.slow

ENV = """\
import os, sys
sys.path.insert(0, os.environ.get("TODAY", "."))
import sqlalchemy as sa
from alembic import context
from models import metadata

engine = sa.create_engine("postgresql+psycopg://", poolclass=sa.pool.NullPool)
with engine.connect() as connection:
    connection.exec_driver_sql("SELECT 'shop'::regnamespace")  # the baseline's
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
MODELS = 'import sqlalchemy as sa\nmetadata = sa.MetaData()\nsa.Table("notes", metadata, sa.Column("{}", sa.Text))\n'
COMMITTED = ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "Released")


@pytest.fixture
def read(tmp_path, server, forked_gate, monkeypatch):
    """Reads the models of a release without a lock, whose alembic settings have another name than today's settings say."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "migrations/versions").mkdir(parents=True)
    (tmp_path / "migrations/env.py").write_text(ENV)
    (tmp_path / "other.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
    (tmp_path / "models.py").write_text(MODELS.format("title"))
    (tmp_path / "baseline.sql").write_text("CREATE SCHEMA shop;")
    for arguments in (("init", "--quiet"), ("add", "--all"), COMMITTED):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True, capture_output=True)
    (tmp_path / "models.py").write_text(MODELS.format("heading"))
    python = Python(Path(sys.prefix))
    today = Workplace(
        folder=tmp_path, python=python, migrations=Migrations(baseline="baseline.sql"), server=NamedServer(server)
    )
    options = AlembicOptions(config="other.ini")
    released = commit_at(tmp_path).revision
    return lambda commit=released: anyio.run(previous_at, today, commit, "v1", options)


def test_a_release_whose_environment_cannot_be_made_is_read_in_todays_and_tried_again_after_a_day(
    read, monkeypatch, tmp_path
):
    previous = read()
    assert previous.models == (Model(None, "notes", (Column(name="title", written=True),)),)
    assert previous.caveat.startswith("no file declares the service's dependencies")
    with monkeypatch.context() as broken:
        broken.setattr("slipway.local.previous.prepare", None)  # not called again
        again = read()
    assert again.models == previous.models
    assert re.fullmatch(
        re.escape(previous.caveat) + r" \(found at [\d :-]+ UTC; tried again .*previous-\w+\)", again.caveat
    )
    (failure,) = (tmp_path / "cache/slipway").glob("previous-*/failure.txt")
    os.utime(failure, (0, 0))
    monkeypatch.setattr("slipway.local.previous.prepare", lambda *_, **__: Python(Path(sys.prefix)))
    assert read().caveat == ""
    assert not failure.exists()


def test_a_commit_is_read_once_in_its_own_environment_and_again_when_the_variables_differ(read, monkeypatch, tmp_path):
    monkeypatch.setattr("slipway.local.previous.prepare", lambda *_, **__: Python(Path(sys.prefix)))
    first = read()
    assert [column.name for column in first.models[0].columns] == ["title"]
    (kept,) = (tmp_path / "cache/slipway").glob("previous-*/previous.json")
    kept.write_bytes(b"\xff")
    assert read() == first  # and replaces what cannot be read
    (tmp_path / ".git/objects").rename(tmp_path / "gone")
    assert read() == first
    monkeypatch.setenv("LANG", "other")
    assert "git" in read().refusal


def test_models_of_todays_files_are_not_taken_for_those_of_the_release(read, monkeypatch, tmp_path):
    monkeypatch.setenv("TODAY", str(tmp_path))
    monkeypatch.setenv(PASSED, "TODAY")
    previous = read()
    assert previous.models == ()
    assert previous.refusal.startswith("no file declares the service's dependencies")


def test_a_release_before_the_first_migration_has_no_models_and_a_reason(read, tmp_path):
    shutil.rmtree(tmp_path / "migrations")
    (tmp_path / "other.ini").unlink()
    for arguments in (("add", "--all"), COMMITTED):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True, capture_output=True)
    assert read(commit_at(tmp_path).revision).refusal == "it has no migrations yet"


def test_a_member_of_a_workspace_is_unpacked_with_the_lock_of_the_workspace(tmp_path):
    root, member = tmp_path / "root", tmp_path / "root/apps/notes"
    member.mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["apps/*"]\n')
    (root / "uv.lock").touch()
    (member / "pyproject.toml").write_text('[project]\nname = "notes"\n')
    for arguments in (("init", "--quiet"), ("add", "--all"), COMMITTED):
        subprocess.run(["git", "-C", root, *arguments], check=True, capture_output=True)
    tree = tmp_path / "tree"
    assert _unpack(member, commit_at(root).revision, tree) == tree / "apps/notes"
    assert lock_of(tree / "apps/notes", tree_at(tree / "apps/notes")) == tree / "uv.lock"
