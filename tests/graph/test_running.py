"""The smoke test and `dagger up`: how a service that does not start is explained."""

from contextlib import asynccontextmanager

import pytest

from slipway.graph import running
from slipway.main import FunctionError, Slipway
from slipway.records.migration import Migration
from slipway.workload import start
from tests.graph.test_queries import declares

pytestmark = pytest.mark.slow


class Instance:
    """An instance that has ended, or runs and listens nowhere."""

    address = "127.0.0.1:1"

    def __init__(self, exit_code):
        self.exit_code = exit_code


@pytest.fixture
def smoke(engine, workspace, monkeypatch):
    """Return a function that runs the smoke test on an image whose service prints these lines and ends."""

    async def migrate(*_):
        run.migrated = True
        return Migration(before=(), after=("one",), applied=("one",), attempts=1, seconds=0.5)

    async def run(*lines, exit_code=1):
        @asynccontextmanager
        async def launched(_container, _launch, on_line):
            for line in lines:
                on_line(line)
            yield Instance(exit_code)

        monkeypatch.setattr(running, "launched", launched)
        monkeypatch.setattr(running, "migrate", migrate)
        await Slipway().smoke(workspace)

    run.migrated = False
    return run


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            ["exec gunicron: no such file or directory"],
            "the command does not start: exec gunicron: no such file or directory: correct command in [tool.slipway], or CMD of the service's own Dockerfile; what it names must be in the image, and be executable",
        ),
        (
            ["Traceback (most recent call last):", *["  File x"] * 99, "ValueError: 42 is no colour"],
            "the release ends with an error: ValueError: 42 is no colour: start it once on your machine with the command in [tool.slipway]",
        ),
        (
            ["KeyError: 'SIGNING_KEY'"],
            "the release reads the variable SIGNING_KEY, which it does not get: add SIGNING_KEY to variables of [tool.slipway.migrations]",
        ),
    ],
)
async def test_a_service_that_ends_is_explained_by_its_own_words(smoke, capsys, lines, sentence):
    with pytest.raises(FunctionError) as red:
        await smoke(*lines)
    assert str(red.value) == f"the release does not become healthy: {sentence}"
    assert lines[-1] in capsys.readouterr().out


async def test_a_service_that_listens_nowhere_is_known_after_the_timeout_of_the_settings(engine, smoke):
    declares(engine, "timeout = 1")
    with pytest.raises(
        FunctionError,
        match=r"was not healthy after \d+ s here.*: .* check that it listens on 0\.0\.0\.0 and the port 8000",
    ):
        await smoke("waiting", exit_code=None)


async def test_a_source_that_does_not_exist_is_named_before_anything_is_built(engine, workspace):
    engine.answers["exists"] = False
    with pytest.raises(
        FunctionError,
        match=r"^sources of \[tool\.slipway\] names '\w+.*', which is not in the repository's root, or ignored by git",
    ):
        await Slipway().image(workspace)
    assert not engine.steps("withExec")


async def test_up_migrates_then_becomes_the_command_of_the_settings(engine, workspace):
    engine.files["/var/lib/slipway/password"] = "canary-word\n"
    await (await Slipway().service(workspace)).id()
    (defined,) = [step for step in engine.steps("asService") if "app.main:app" in step.arguments["args"]]
    assert defined.arguments["args"] == [
        "python",
        "/tmp/start.py",
        "--own=DATABASE_URL",
        "--config=alembic.ini",
        "--",
        "uvicorn",
        "app.main:app",
    ]


@pytest.fixture
def without_config(engine):
    """A service without an alembic.ini where the settings expect it."""
    engine.files["pyproject.toml"] = engine.files["pyproject.toml"].replace(', "migrations", "alembic.ini"', "")
    engine.answers["exists"] = lambda chain: chain[-1].arguments["path"] != "alembic.ini"


async def test_a_service_without_a_history_is_started_and_tested_and_nothing_is_migrated(
    engine, workspace, smoke, without_config
):
    declares(engine, 'tests = ["pytest"]')
    engine.files |= {"/var/lib/slipway/password": "canary-word\n", "/tmp/slipway-tests.xml": ""}
    engine.answers |= {"exitCode": 0, "combinedOutput": "1 passed"}
    with pytest.raises(FunctionError, match="ValueError: 42"):
        await smoke("ValueError: 42")
    assert not smoke.migrated
    assert await Slipway().tests(workspace) == "1 passed"
    await (await Slipway().service(workspace)).id()
    assert await Slipway().migrations(workspace) == "nothing was done: the service has no alembic history\n"
    assert not any(step.arguments["path"] == running.START for step in engine.steps("withNewFile"))


async def test_a_history_that_the_settings_do_not_lead_to_is_not_taken_for_none(
    engine, workspace, smoke, without_config
):
    engine.answers["glob"] = ["db/alembic.ini"]
    with pytest.raises(FunctionError, match="ValueError: 42"):
        await smoke("ValueError: 42")
    assert smoke.migrated
    with pytest.raises(
        FunctionError, match=r"has no alembic\.ini: set config in \[tool\.slipway\.migrations\] to 'db/alembic"
    ):
        await Slipway().migrations(workspace)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (3, "the migration ended with the exit code 3"),
        (0, "gunicron: executable file not found, No such file or directory: add its"),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_line(monkeypatch, tmp_path, code, why):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexit {code}\n")
    python.chmod(0o755)
    monkeypatch.setattr(start.sys, "executable", str(python))
    assert start.main(["--config=alembic.ini"], ["gunicron", "app:app"]).startswith(why)


async def test_the_published_postgres_asks_for_its_password_on_a_port_of_its_own(engine, workspace, capsys):
    engine.files["/var/lib/slipway/password"] = "canary-word\n"
    server = await (await Slipway().database(workspace)).id()
    assert capsys.readouterr().out == "the database: postgresql://postgres:canary-word@localhost:15432/postgres\n"
    chain = engine.chain_of(server)
    assert [step.arguments["port"] for step in chain if step.name == "withExposedPort"] == [15432]
    (script,) = (step.arguments["args"][-1] for step in chain if step.name == "withExec")
    assert ("trust" not in script, "--auth=scram-sha-256 --pwfile=" in script) == (True, True)
    assert not any("canary" in query for query in engine.queries)


async def test_the_service_gets_the_password_as_a_secret(engine, workspace):
    engine.files["/var/lib/slipway/password"] = "canary-word\n"
    await (await Slipway().service(workspace)).id()
    assert {step.arguments["name"] for step in engine.steps("withSecretVariable")} == {"DATABASE_URL"}
    assert not any("canary" in query for query in engine.queries if "setSecret" not in query)
