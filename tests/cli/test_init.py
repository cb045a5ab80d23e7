"""`slipway init --yes` from the command line, with the gate's own run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.cli import run
from tests.forked import forking  # noqa: F401 -- a fixture

pytestmark = [pytest.mark.usefixtures("forked_gate"), pytest.mark.slow]

ENV = """
import os
import sqlalchemy as sa
from alembic import context
metadata = sa.MetaData()
sa.Table("notes", metadata, sa.Column("id", sa.Integer, primary_key=True))
with sa.create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = "from alembic import op\nrevision = {!r}\ndown_revision = {!r}\ndef upgrade():\n    op.execute({!r})\n"


FAILS = "CREATE TABLE x (y abstime)"  # a type that no Postgres has any more


def service(folder: Path, *statements: str, more: str = "") -> Path:
    """Commit a service whose revisions execute these statements, with the tag v1 at the first one."""
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
    (folder / "migrations/versions").mkdir(parents=True)
    (folder / "migrations/env.py").write_text(ENV)
    for name, down, text in zip("abc", (None, *"ab"), statements, strict=False):
        (folder / f"migrations/versions/{name}.py").write_text(REVISION.format(name, down, text) + more)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    commit = [*who, "commit", "--quiet", "--allow-empty", "--message", "a"]
    first = "migrations/versions/a.py"
    for arguments in (["init", "--quiet"], ["add", first], commit, ["tag", "v1"], ["add", "--all"], commit):
        subprocess.run(["git", "-C", folder, *arguments], check=True)
    return folder


def test_errors_in_revisions_that_only_an_old_tag_lacks_name_init_which_leaves_them_out(tmp_path, capsys):
    more = "def downgrade():\n    op.execute(f'CREATE TABLE left_{revision} ()')\n"
    notes = "CREATE TABLE notes (id serial PRIMARY KEY)"
    old = service(tmp_path, notes, "CREATE TABLE x ()", "DROP TABLE x", more=more)
    (old / "compose.yml").write_text("image: postgres:11\n")
    assert run(["gate", "--quick", "--quiet", "--source", str(old), "--python", sys.prefix]) == 1
    shown = capsys.readouterr().out
    assert ": the gate supports 14 to 18, not 11, which compose.yml line 1 has\n" in shown
    assert "2 of 3 revisions, those that v1 lacks" in shown
    assert "; if v1 is older than production, `slipway init --yes --source" in shown
    report = tmp_path / "report"
    flags = ["gate", "--quiet", "--source", str(tmp_path), "--report"]
    assert run([*flags, str(report), "--config", "nowhere.ini", "--python", sys.prefix]) == 2
    assert '<error message="there is no nowhere.ini in' in (report / "junit.xml").read_text()
    assert "| . | could not run |" in (report / "summary.md").read_text()
    assert run([*flags, str(old / "alembic.ini/x"), "--python", str(tmp_path / "nowhere")]) == 2
    assert "cannot write the report to" in capsys.readouterr().err.splitlines()[-1]
    assert run(["init", "--source", str(old)]) == 0
    assert '+start-after = "c" # revisions up to this one are not tested' in capsys.readouterr().out


def test_a_history_whose_old_revisions_no_longer_run_begins_on_the_schema_of_the_models(tmp_path, capsys):
    old = service(tmp_path, FAILS, "CREATE TABLE notes (id serial PRIMARY KEY)", "DROP TABLE x")
    assert run(["init", "--yes", "--source", str(old), "--python", sys.prefix]) == 0
    said = capsys.readouterr()
    assert "CREATE TABLE notes" in (old / "migrations/baseline.sql").read_text()
    assert (
        "NOTE the gate begins after today's revisions, on the schema of the models: 3 of 3 revisions were" in said.out
    )
    assert said.out.endswith("\ncommit these files; the gate begins with the next revision\n")
    assert re.search(r"^ +0:\d\d  running the revisions, 3 in all$", said.err, re.MULTILINE)
    assert run(["init", "--check", "--source", str(old)]) == 0
    assert capsys.readouterr().out.startswith("the settings fit the service's files")
    assert run(["gate", "--source", str(old), "--python", sys.prefix]) == 0
    assert '\nstart-after = "c"' in (old / "slipway.toml").read_text()
    assert "reading the models" not in capsys.readouterr().err  # nothing is new


def test_a_baseline_is_written_by_the_first_run_whose_gate_could_run(tmp_path, capsys):
    old = service(tmp_path, "CREATE TABLE notes (id serial PRIMARY KEY)", FAILS, "DROP TABLE x")
    assert run(["init", "--yes", "--source", str(old), "--python", str(tmp_path / "nowhere")]) == 1
    assert not (old / "migrations/baseline.sql").exists()
    assert run(["init", "--yes", "--source", str(old), "--python", sys.prefix]) == 0
    assert capsys.readouterr().out.endswith("\ncommit these files; the gate begins with the next revision\n")


def test_a_newest_revision_that_fails_is_a_finding_and_gets_no_baseline(tmp_path, capsys):
    newest = service(tmp_path, "CREATE TABLE notes (id serial PRIMARY KEY)", FAILS)
    assert run(["init", "--yes", "--quiet", "--source", str(newest), "--python", sys.prefix]) == 1
    assert not (newest / "migrations/baseline.sql").exists()
    shown = capsys.readouterr().out.splitlines()
    assert run(["gate", "--quiet", "--source", str(newest), "--python", sys.prefix, "--since", "HEAD"]) == 0
    beginning = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not covered: ")]
    assert [line for line in shown if line.startswith("not covered: ")] == beginning
    assert beginning[0].startswith("not covered: 1 of 2 revisions was not executed: b (")
    assert shown[-3].startswith("not fully executed")
    assert shown[-1].startswith("the files are written, but the gate did not pass, for the reason above; `slipway gate")


def test_an_old_revision_that_this_postgres_was_not_built_for_gets_no_baseline_but_the_way_to_another_server(
    tmp_path, capsys
):
    lacks = "DO $$ BEGIN RAISE EXCEPTION 'ICU is not supported in this build'; END $$"
    old = service(tmp_path, "CREATE TABLE notes (id serial PRIMARY KEY)", lacks, "DROP TABLE x")
    assert run(["init", "--yes", "--quiet", "--source", str(old), "--python", sys.prefix]) == 1
    assert not (old / "migrations/baseline.sql").exists()
    assert "this Postgres was built without it: install PostgreSQL" in capsys.readouterr().out
