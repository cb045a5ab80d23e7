"""`python -m slipway.migration`: what a shell sees."""

import json
import multiprocessing
import os
import subprocess
import sys

import psycopg
import pytest

from slipway.records.form import from_json
from slipway.records.migration import Migration
from slipway.records.refusal import Refusal
from tests.forked import answer_in_fork

ONE = {"one": (None, "op.execute('CREATE TABLE a (id int)')")}

pytestmark = pytest.mark.slow


class Forked:
    """The command in a fork of this process, so that its imports are not repeated; used like a Popen."""

    def __init__(self, folder, arguments, environment):
        self._printed = [folder / f"{arguments[-1]}.{stream}" for stream in ("stdout", "stderr")]
        self._process = multiprocessing.get_context("fork").Process(
            target=self._answer, args=(folder, arguments, environment)
        )
        self._process.start()

    def _answer(self, folder, arguments, environment):
        streams = [os.open(os.devnull, os.O_RDWR), *(os.open(file, os.O_RDWR | os.O_CREAT) for file in self._printed)]
        answer_in_fork(folder, arguments, environment, streams, "slipway.migration")

    @property
    def returncode(self):
        return self._process.exitcode

    def communicate(self, timeout):
        self._process.join(timeout)
        assert self.returncode is not None, f"the migration has not ended after {timeout} s"
        output, errors = (file.read_text() for file in self._printed)
        return output, errors


@pytest.fixture
def start(tmp_path):
    """Starts a migration in the project's folder; the answer is a process that has not ended."""

    def run(database, *arguments, written="migration.json"):
        environment = {key: value for key, value in os.environ.items() if key != "SLIPWAY_DATABASE"}
        environment |= {"SLIPWAY_DATABASE": database} if database else {}
        return Forked(tmp_path, [*arguments, written], environment)

    return run


def named(url):
    return json.dumps({"url": url.render_as_string(hide_password=False), "variables": {}})


def test_a_migration_is_written_as_json(write_project, url, tmp_path):
    write_project(ONE)
    command = [sys.executable, "-m", "slipway.migration", "migration.json"]
    environment = os.environ | {"SLIPWAY_DATABASE": named(url)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert from_json(Migration, (tmp_path / "migration.json").read_text(), "here").applied == ("one",)


def test_the_settings_file_may_have_another_name(write_project, start, url, tmp_path):
    write_project(ONE).rename(tmp_path / "other.ini")
    process = start(named(url), "--config", "other.ini")
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


def test_a_failing_revision_is_a_refusal(write_project, start, url, tmp_path):
    write_project({"one": (None, "op.drop_table('no_such')")})
    process = start(named(url))
    _, errors = process.communicate(timeout=60)
    refusal = from_json(Refusal, (tmp_path / "migration.json").read_text(), "here")
    assert process.returncode == refusal.exit_code == 1
    assert refusal.where == "the migration failed at migrations/versions/one.py line 8"
    assert 'table "no_such" does not exist' in refusal.reason
    assert errors == f"{refusal.what}: {refusal.next_step}\n"


@pytest.mark.parametrize(
    ("database", "exit_code", "what"),
    [
        (None, 2, "SLIPWAY_DATABASE does not name a database"),
        ("hunter2", 2, "SLIPWAY_DATABASE does not name a database"),
        (
            '{"url": "postgresql+psycopg://me:hunter2@127.0.0.1:1/x", "variables": {}}',
            1,
            "the database cannot be reached",
        ),
    ],
    ids=["missing", "no JSON", "unreachable"],
)
def test_without_a_database_the_answer_is_a_refusal(write_project, start, tmp_path, database, exit_code, what):
    write_project(ONE)
    process = start(database)
    output, errors = process.communicate(timeout=60)
    written = (tmp_path / "migration.json").read_text()
    assert process.returncode == exit_code
    assert from_json(Refusal, written, "here").where == what
    assert "hunter2" not in output + errors + written


def test_a_wrong_password_is_not_repeated(write_project, start, url, tmp_path):
    write_project(ONE)
    process = start(named(url.set(password="hunter2")))
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "password authentication failed" in errors
    assert "hunter2" not in output + errors + (tmp_path / "migration.json").read_text()


def test_a_settings_file_that_is_not_there_is_bad_input(write_project, start, url, tmp_path):
    process = start(named(url))
    process.communicate(timeout=60)
    assert process.returncode == 2
    assert (
        from_json(Refusal, (tmp_path / "migration.json").read_text(), "here").what
        == f"there is no alembic.ini in {tmp_path}"
    )


def test_of_two_runners_at_once_each_revision_is_applied_by_one(write_project, start, url, tmp_path, database):
    write_project(
        {
            "one": (None, "op.execute('CREATE TABLE log (revision text)')"),
            "two": ("one", "op.execute(\"INSERT INTO log SELECT 'two' FROM pg_sleep(0.5)\")"),
            "three": ("two", "op.execute(\"INSERT INTO log VALUES ('three')\")"),
        }
    )
    runners = [start(named(url), written=f"{number}.json") for number in range(2)]
    assert [runner.communicate(timeout=60) for runner in runners] == [("", "")] * 2
    migrations = [from_json(Migration, (tmp_path / f"{number}.json").read_text(), "here") for number in range(2)]
    assert sorted(migration.applied for migration in migrations) == [(), ("one", "two", "three")]
    assert {migration.after for migration in migrations} == {("three",)}
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT revision FROM log").fetchall() == [("two",), ("three",)]
