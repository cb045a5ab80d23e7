"""The service's own database, named by the variable in which the platform tells it its URL."""

import json
import os
import subprocess
import sys

import pytest
from sqlalchemy import make_url

from slipway.errors import BadInputError
from slipway.migration.database import own_database
from slipway.migration.output import discreet
from slipway.records.form import MARK, from_json
from slipway.records.migration import Migration, Standing
from slipway.records.refusal import Refusal

URL = "postgresql+asyncpg://me:hunter2@here:5433/mine?ssl=require"
PRINTING = """
    import logging, os, sys
    print("the URL is", os.environ["DATABASE_URL"], "and the pin", os.environ["PIN"])
    sys.stderr.write("half a " + os.environ["PIN"][:4])
    sys.stderr.write(os.environ["PIN"][4:] + " word\\n")
    logging.getLogger().warning(os.environ["PIN"])
    op.execute("CREATE TABLE a ()")
"""


@pytest.fixture
def told(monkeypatch):
    for name in ("DATABASE_URL", "DB_HOST", "COLOUR"):
        monkeypatch.delenv(name, raising=False)

    def tell(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    monkeypatch.setattr(os, "environ", os.environ.copy())
    return tell


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg2"])
def test_the_url_may_be_for_any_driver(told, scheme):
    told(DATABASE_URL=f"{scheme}://me:hunter2@here:5433/mine")
    url = own_database("DATABASE_URL", {})
    assert (url.get_backend_name(), url.host, url.port, url.password) == ("postgresql", "here", 5433, "hunter2")


def test_variables_that_the_service_lacks_are_filled_from_templates_and_its_own_stay(told):
    told(DATABASE_URL=URL, COLOUR="red")
    own_database("DATABASE_URL", {"DB_HOST": "{host}:{port}", "COLOUR": "blue"})
    assert (os.environ["DB_HOST"], os.environ["COLOUR"]) == ("here:5433", "red")


def test_a_container_without_the_variable_is_reported_where_it_is_named(told):
    with pytest.raises(
        BadInputError, match=r"the container has no variable DATABASE_URL .* name it in database-variable"
    ):
        own_database("DATABASE_URL", {})


@pytest.mark.parametrize("value", ["hunter2", "postgresql://me:hunter2@here:port/x"])
def test_what_is_no_url_is_not_repeated(told, value):
    told(DATABASE_URL=value)
    with pytest.raises(BadInputError, match="the variable DATABASE_URL holds no URL") as caught:
        own_database("DATABASE_URL", {})
    assert "hunter2" not in str(caught.value)


def test_what_is_printed_last_without_the_end_of_a_line_is_printed(capsys):
    with discreet([]):
        sys.stdout.write("and")
    assert capsys.readouterr().out == "and"


def test_an_error_that_was_not_foreseen_is_printed_without_secrets(told, capsys):
    told(PIN="canary-2")
    with pytest.raises(SystemExit), discreet(["PIN"]):
        raise ValueError("my pin is canary-2")
    assert "ValueError: my pin is ***" in capsys.readouterr().err


@pytest.fixture
def run(tmp_path, database):
    """Runs the migration as a container would; the answer is its exit code, its marked line and all that it printed."""

    def start(*arguments, **variables):
        done = subprocess.run(
            [sys.executable, "-m", "slipway.migration", "--own", "DATABASE_URL", "--secret", "PIN", *arguments],
            cwd=tmp_path, env=os.environ | {"DATABASE_URL": database} | variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        marked = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
        return done.returncode, marked[0] if marked else None, done.stdout + done.stderr

    return start


@pytest.mark.slow
def test_the_answer_is_a_marked_line_and_no_secret_is_printed(write_project, run, database):
    write_project({"one": (None, PRINTING)})
    code, answer, printed = run(PIN="canary-2")
    assert code == 0
    assert from_json(Migration, answer, "here").after == ("one",)
    assert "revision one" in printed
    assert "half a *** word" in printed
    assert "canary" not in printed
    assert make_url(database).password not in printed
    code, answer, _ = run("--status")
    assert from_json(Standing, answer, "here") == Standing(("one",), ("one",))


@pytest.mark.slow
def test_why_there_is_no_answer_is_a_marked_line_too(write_project, run):
    write_project({"one": (None, "raise ValueError('my pin is canary-2')")})
    code, answer, printed = run(PIN="canary-2")
    refusal = from_json(Refusal, answer, "here")
    assert (code, refusal.where) == (1, "the migration failed at migrations/versions/one.py line 8")
    assert json.loads(answer)["schema"] == "slipway/refusal/1"
    assert "canary" not in printed
