"""An environment's database migrated for real: by a task of the simulated account, or from this machine."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from slipway import settings
from slipway.cli import perform
from slipway.commands.grammar import parse
from slipway.environment.migrate import DirectRunner, database_url, runner_of, service_variables
from slipway.environment.observed import ObservedEnvironment
from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.oci.artifact import Artifact, Blob, File, TreeConfig, pack
from slipway.oci.registry import opened as registry_opened
from slipway.release.engine.target import Time
from slipway.release.runners.definition import definition
from slipway.settings import SettingsError
from slipway.simulator.clock import Clock
from slipway.simulator.cloud import LOGIN
from slipway.workload.process import HostBackend
from slipway.workload.python import Python
from tests.forked import forking  # noqa: F401 -- a fixture
from tests.release.desired import DIGEST, aws_of, time_of
from tests.simulator.account import ROLE, URI, opened

ROOT = Path(__file__).parents[2]
URL = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/staging/url-Xk3bQz"
TOKEN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/staging/token-Xk3bQz"
CANARY = "a-canary-word"
TASK = """
runner = "ecs-task"
subnets = ["subnet-1"]
security-groups = ["sg-1"]
execution-role = "arn:aws:iam::123456789012:role/notes-execution"
"""
PRINTS = b"\nimport os\nprint('the token is', os.environ['TOKEN'], 'and the URL', os.environ['DATABASE_URL'])\n"


def pyproject(runner: str) -> str:
    return f"""
[tool.slipway]
name = "notes"
command = ["serve"]
[tool.slipway.migrations]
variables = {{ TOKEN = "stand-in" }}
[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "{ROLE}"
secrets = {{ DATABASE_URL = "{URL}", TOKEN = "{TOKEN}" }}
variables = {{ COLOUR = "red" }}
[tool.slipway.environments.staging.migration]
{runner}
"""


def staging(runner: str = TASK, pyproject: Callable[[str], str] = pyproject) -> ObservedEnvironment:
    read = settings.parse(pyproject(runner))
    return ObservedEnvironment(settings=read, name="staging", endpoint_url=None, time=Time(None, None))


@pytest.fixture
async def account(database, monkeypatch, forked_gate):
    """An account that runs file trees on this machine, in this virtual environment."""
    monkeypatch.setattr("slipway.workload.process.prepare", lambda _tree, _cache: Python(Path(sys.prefix)))
    secrets = {URL: database.replace("postgresql://", "postgresql+psycopg://"), TOKEN: CANARY}
    async with opened(
        lambda url: HostBackend(url=url, login=LOGIN, cache=Path()), Clock(40), secrets=secrets
    ) as account:
        account.cloud.logs.create("/slipway/notes-staging")
        monkeypatch.setattr("slipway.environment.environment.wall_clock", lambda: time_of(account))
        yield account


async def release(account, **more: bytes) -> str:
    """Push the reference service and return its digest."""
    files = [
        File(str(path.relative_to(ROOT)), path.read_bytes())
        for name in ("app", "migrations")
        for path in sorted((ROOT / name).rglob("*.py"))
    ]
    changed = {file.name: file.content + more.get(Path(file.name).stem, b"") for file in files}
    whole = [File("alembic.ini", (ROOT / "alembic.ini").read_bytes())]
    whole += [File(name, content) for name, content in changed.items()]
    async with registry_opened(account.cloud.url, "notes", LOGIN) as registry:
        return await registry.push(pack(whole, TreeConfig(("serve",), 8000, {}), 0, {}))


async def slipway(account, folder, digest, *options, runner: str = TASK) -> int:
    """Run `slipway migrate` in the account's event loop."""
    (folder / "pyproject.toml").write_text(pyproject(runner))
    place = ["--source", str(folder), "--environment", "staging", "--endpoint-url", account.cloud.url]
    try:
        return await perform(parse(["migrate", *place, "--image", f"{URI}@{digest}", *options]))
    except SlipwayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def head(database: str) -> str:
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


@pytest.mark.slow
@pytest.mark.parametrize("runner", [TASK, 'runner = "direct"'], ids=["ecs-task", "direct"])
async def test_the_reference_service_is_migrated_and_looked_at_and_a_database_ahead_of_the_image_is_refused(
    account, tmp_path, database, capsys, runner
):
    digest = await release(account, env=PRINTS)
    assert await slipway(account, tmp_path, digest, "--json", runner=runner) == 0
    printed = capsys.readouterr()
    migration = json.loads(printed.out)
    assert (migration["before"], migration["after"]) == ([], [head(database)])
    assert await slipway(account, tmp_path, digest, runner=runner) == 0
    assert await slipway(account, tmp_path, digest, "--status", "--json", runner=runner) == 0
    again = capsys.readouterr()
    assert again.out.startswith(f"staging: already at {head(database)}\n")
    assert json.loads(again.out.partition("\n")[2])["missing"] == []
    assert CANARY not in "".join([*printed, *again])
    assert database.rpartition("@")[0].rpartition(":")[2] not in "".join([*printed, *again])
    if runner is TASK:
        log = await account.ask("logs", "filter_log_events", logGroupName="/slipway/notes-staging")
        said = "\n".join(event["message"] for event in log["events"])
        assert "the token is *** and the URL" in said
        assert CANARY not in said
        await a_database_ahead_is_refused(account, tmp_path, database, digest, capsys)


async def a_database_ahead_is_refused(account, folder, database, digest, capsys):
    """By a task; `--status` shows it."""
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffff'")
    assert await slipway(account, folder, digest, "--status") == 1
    assert "unknown: ffff, so the database is ahead of this release" in capsys.readouterr().out
    assert await slipway(account, folder, digest) == 1
    assert (
        "the database is at ffff, which this release does not know: a newer release migrated it"
        in capsys.readouterr().err
    )


@pytest.mark.slow
async def test_a_url_may_come_from_a_variable_of_this_process_by_name(account, tmp_path, database, capsys, monkeypatch):
    monkeypatch.setenv("MY_DATABASE", database)
    digest = await release(account)
    assert await slipway(account, tmp_path, digest, "--database-url-from", "MY_DATABASE") == 0
    assert "RunTask" not in account.cloud.requests
    assert "GetSecretValue" not in account.cloud.requests
    assert capsys.readouterr().out.startswith("staging: from no revision to ")


async def test_an_image_for_containers_is_no_task_for_this_machine(account):
    image = Artifact(kind="application/vnd.oci.image", config=Blob("application/x", b"{}"), layers=())
    async with registry_opened(account.cloud.url, "notes", LOGIN) as registry:
        digest = await registry.push(image)
    direct = DirectRunner(environment=replace(staging(), connection=aws_of(account)), digest=digest)
    with pytest.raises(
        RefusedError, match='is an image for containers, and this machine runs none: set runner = "ecs-task"'
    ):
        await direct.standing()


def test_the_settings_choose_the_runner_unless_a_url_is_passed():
    assert runner_of(staging(), DIGEST).how == "a Fargate task"
    assert runner_of(staging('runner = "direct"'), DIGEST).how == "this machine"
    assert runner_of(staging(), DIGEST, database_url_from="MY_DATABASE").how == "this machine"


def test_a_task_refuses_other_transactions_than_the_certificates():
    task = runner_of(staging(), DIGEST, transactions="no transaction")
    (container,) = definition(task.order)["containerDefinitions"]
    assert "--transactions=no transaction" in container["command"]


def test_env_py_sees_the_url_plain_values_and_stand_ins():
    url = "postgresql+asyncpg://me:word@here/mine?ssl=require"
    assert service_variables(staging(), url) == {"DATABASE_URL": url, "TOKEN": "stand-in", "COLOUR": "red"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "the variable MY_DATABASE is not set here"),
        ('{"password": "a-canary-word"}', "the variable MY_DATABASE holds JSON: name its key"),
        ("a-canary-word", "the variable MY_DATABASE holds no Postgres URL"),
        ("postgresql://me:a-canary-word/5@here:x/mine", "the variable MY_DATABASE holds no Postgres URL"),
        ("mysql://me:a-canary-word@here/mine", "the variable MY_DATABASE holds no Postgres URL"),
    ],
)
async def test_a_malformed_url_is_refused_and_not_repeated(value, said):
    with pytest.raises(BadInputError) as caught:
        await database_url(staging(), "MY_DATABASE", {"MY_DATABASE": value})
    assert str(caught.value).startswith(said)
    assert CANARY not in str(caught.value)


async def test_an_environment_without_a_database_url_is_refused_with_a_next_step():
    bare = staging(pyproject=lambda runner: pyproject(runner).replace("DATABASE_URL", "OTHER"))
    with pytest.raises(SettingsError, match="staging has no DATABASE_URL, by which its database is found"):
        await database_url(bare, None, {})
