"""A migration in a container of an engine: the queries sent to the engine."""

import dagger
import pytest

from slipway import settings
from slipway.environment.environment import ServiceEnvironment, wall_clock
from slipway.errors import RefusedError
from slipway.graph.migration import ContainerRunner
from slipway.graph.publish import RegistryLogin
from slipway.records.form import to_json
from slipway.records.image import Reference
from slipway.records.migration import Migration, Standing
from slipway.records.refusal import Refusal
from slipway.release.runners import Runner

DIGEST = "sha256:" + "a" * 64
IMAGE = Reference("123456789012.dkr.ecr.eu-west-1.amazonaws.com/notes", DIGEST)
URL = "postgresql+asyncpg://notes:a-canary-word@db/notes"
PYPROJECT = """
[tool.slipway]
name = "notes"
command = ["uvicorn", "app.main:app"]

[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/notes-access"
"""
RECORD = "/tmp/migration.json"


@pytest.fixture
async def runner(engine) -> Runner:
    await dagger.dag.version()  # a module's session has begun long before
    login = RegistryLogin("AWS", dagger.dag.set_secret("ecr", "a-canary-login"))
    read = settings.parse(PYPROJECT)
    environment = ServiceEnvironment(settings=read, name="staging", endpoint_url=None, time=wall_clock())
    return ContainerRunner(image=IMAGE, login=login, environment=environment, url=URL)


def exec_of(engine):
    chain = next(chain for chain in engine.chains if chain[-1].name == "exitCode")
    return chain, next(step.arguments["args"] for step in chain if step.name == "withExec")


async def test_the_very_image_migrates_with_slipway_lent_to_it(engine, runner):
    engine.answers |= {"exitCode": 0}
    done = Migration(before=(), after=("one",), applied=("one",), attempts=1, seconds=0.5)
    engine.files[RECORD] = to_json(done)
    assert await runner.migrate(lambda _event: None) == done
    chain, command = exec_of(engine)
    assert [step.name for step in chain][:3] == ["container", "withRegistryAuth", "from"]
    assert chain[2].arguments["address"] == str(IMAGE)
    assert command == ["python", "-m", "slipway.migration", "--config=alembic.ini", RECORD]


async def test_no_two_calls_are_equal_and_the_url_is_a_secret(engine, runner):
    engine.answers |= {"exitCode": 0}
    engine.files[RECORD] = to_json(Standing(("one",), ("one",)))
    await runner.standing()
    await runner.standing()
    calls = {
        step.arguments["value"] for step in engine.steps("withEnvVariable") if step.arguments["name"] == "SLIPWAY_CALL"
    }
    assert len(calls) == 2
    assert exec_of(engine)[1][-2] == "--status"
    assert {step.arguments["name"] for step in engine.steps("withSecretVariable")} == {"SLIPWAY_DATABASE"}
    assert not any("canary" in query for query in engine.queries if "setSecret" not in query)
    assert "canary" not in repr(runner)


async def test_the_refusal_of_a_migration_is_shown_unchanged(engine, runner):
    engine.answers |= {"exitCode": 1}
    engine.files[RECORD] = to_json(Refusal(what="the database stands at five", next_step="roll back", exit_code=1))
    with pytest.raises(RefusedError, match="the database stands at five: roll back"):
        await runner.migrate(lambda _event: None)
