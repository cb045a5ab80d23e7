"""`slipway gate --since` with a revision or a git ref."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.cli import run
from slipway.workload.python import Python
from tests.forked import forking  # noqa: F401 -- a fixture

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked_gate")]

INI = "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = "from alembic import op\nrevision = {0!r}\ndown_revision = {1!r}\ndef upgrade():\n    op.execute({2!r})\ndef downgrade():\n    op.execute({3!r})\n"


@pytest.fixture
def git(tmp_path):
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    return lambda *arguments: subprocess.run(["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def service(git, tmp_path):
    """A service with an index released on main, and a second index on the branch `feature`."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "alembic.ini").write_text(INI)
    (tmp_path / "migrations/versions").mkdir(parents=True)
    (tmp_path / "migrations/env.py").write_text(ENV)
    git("init", "--quiet", "--initial-branch", "main")
    write(tmp_path, "one", None, "CREATE TABLE a (id int)", "DROP TABLE a")
    write(tmp_path, "two", "one", "CREATE INDEX ix ON a (id)", "DROP INDEX ix")
    git("add", "--all")
    git("commit", "--quiet", "--message", "Released")
    git("checkout", "--quiet", "-b", "feature")
    write(tmp_path, "three", "two", "CREATE INDEX iy ON a (id)", "DROP INDEX iy")
    return tmp_path


def write(folder, revision, down, *statements):
    (folder / f"migrations/versions/{revision}.py").write_text(REVISION.format(revision, down, *statements))


@pytest.fixture
def gate(capsys, server):
    """Run the gate with flags; return the exit code, the rules and revisions that fail, and standard error."""

    def ask(folder, *flags):
        code = run(
            [
                "gate",
                "--source",
                str(folder),
                "--python",
                sys.prefix,
                "--database-url",
                server,
                "--json",
                "--layers=trace",
                *flags,
            ]
        )
        output, errors = capsys.readouterr()
        findings = json.loads(output).get("findings", ())  # an error has none
        counts = [found for found in findings if not found["suppressed"] and found["level"] == "error"]
        return code, {(found["rule"], found["revision"]) for found in counts}, errors

    return ask


@pytest.mark.parametrize("name", ["two", "main", "merge-base"])
def test_released_revisions_do_not_count_whether_named_by_revision_or_by_git(gate, service, name):
    assert gate(service, "--since", name)[:2] == (1, {("L01", "three")})


def test_by_default_only_what_a_pull_request_adds_is_tested(gate, service, capsys):
    assert gate(service, "--all-revisions")[1] == {("L01", "three"), ("L01", "two")}
    assert run(["gate", "--source", str(service), "--python", sys.prefix, "--layers=trace"]) == 1
    line = (
        "tested: 1 of 3 revisions, those that main lacks; 2 older were run without tests (--all-revisions tests them)"
    )
    assert line in capsys.readouterr().out.splitlines()


def test_an_edited_revision_counts(gate, service):
    write(service, "two", "one", "CREATE INDEX ix ON a (id) -- again", "DROP INDEX ix")
    assert gate(service, "--since", "main")[1] == {("L01", "three"), ("L01", "two"), ("G05", "two")}


def test_an_unknown_name_is_one_sentence_with_a_next_step(gate, service):
    code, _, said = gate(service, "--since", "nonsense")
    assert code == 2
    assert "--since 'nonsense' is no revision of this history, and git has no nonsense in" in said
    assert "name a revision, branch, tag or commit" in said


@pytest.fixture
def own_environment(monkeypatch):
    """Use this environment as the one of the previous release."""
    monkeypatch.setattr("slipway.local.previous.prepare", lambda tree, cache, **_: Python(Path(sys.prefix)))


MODELS = "import sqlalchemy as sa\nmetadata = sa.MetaData()\nsa.Table('a', metadata, sa.Column('id', sa.Integer))\n"


def test_the_release_at_the_ref_must_be_able_to_work_with_the_new_schema(gate, git, service, own_environment):
    env = ENV.replace("configure(connection=connection)", "configure(connection=connection, target_metadata=metadata)")
    (service / "migrations/env.py").write_text(MODELS + env)
    git("add", "migrations/env.py")
    git("commit", "--quiet", "--message", "The models of the release that is live")
    write(service, "three", "two", "ALTER TABLE a RENAME id TO number", "ALTER TABLE a RENAME number TO id")
    _, found, _ = gate(service, "--since", "HEAD", "--layers=trace,previous")
    assert ("C03", "three") in found


def test_recorded_statements_that_cannot_be_read_are_one_sentence(gate, service, tmp_path, capsys):
    code = run(["gate", "--source", str(service), "--python", sys.prefix, "--statements", str(tmp_path / "none.json")])
    assert code == 2
    assert "none.json: No such file" in capsys.readouterr().err
