"""A command, run once from the live image by a task of the simulated account."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from slipway.commands.grammar import parse
from slipway.environment.one_off import run
from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.release.bootstrap.roles import policy, scope_of
from slipway.release.runners.definition import TaskOrder, overrides
from slipway.settings import SettingsError
from tests.release.migrating import GROUP, TASK, done, order
from tests.release.policed import PolicedAws, hold
from tests.simulator.scripted import Script

pytestmark = pytest.mark.slow

VARIABLES = {"DATABASE_URL": "postgresql://db/notes", "A_TOKEN": "papegaai"}
COMMAND = ("python", "-m", "app.repair", "--since", "2026 $HOME")


@pytest.fixture
def environment(account, staging):
    """Staging with a task in the VPC."""
    account.cloud.logs.create(GROUP)
    made = staging.environment
    own = replace(made.own_settings, migration=TASK, variables=VARIABLES)
    return replace(made, settings=replace(made.settings, environments={"staging": own}), starts=False)


async def deployed(account, staging, environment):
    """Deploy a release whose migration goes well; return its digest."""
    digest = await account.image(done())
    account.backend.scripts[digest].exit_code = None
    await staging.environment.deploy(digest, staging.tell)
    return digest


@pytest.mark.parametrize("code", [0, 7, 137])
async def test_the_live_image_runs_the_command_and_its_lines_and_exit_code_are_kept(
    account, staging, environment, code
):
    digest, lines = await deployed(account, staging, environment), []
    printed = ("  one\x1b[2J", "two postgresql://app:kanarie@db/notes", "a papegaai")
    account.backend.scripts[digest] = Script(printed, exit_code=code)
    done = await run(environment, COMMAND, staging.tell, lines.append)
    assert (done.exit_code, done.image.rpartition("@")[2]) == (code, digest)
    assert lines == ["  one", "two postgresql://app:…@db/notes", "a ***"]
    started = account.backend.started[-1]
    assert (started.digest, started.command[-len(COMMAND) :]) == (digest, COMMAND)
    assert started.variables["DATABASE_URL"] == "postgresql://db/notes"


@pytest.mark.parametrize("command", [(), ("",)])
async def test_without_a_command_no_task_is_started(staging, environment, command):
    with pytest.raises(BadInputError, match=r"^there is no command to run: pass a program"):
        await run(environment, command, staging.tell, print)


class Recording(PolicedAws):
    """A client under a policy that keeps what it asked of ECS."""

    def __init__(self, account):
        super().__init__(account)
        self.asked = {}

    async def once(self, service, operation, /, **parameters):
        self.asked[operation] = parameters
        return await super().once(service, operation, **parameters)


async def test_a_command_runs_in_the_networks_of_the_settings_under_its_own_policy(account, staging, environment):
    digest = await deployed(account, staging, environment)
    account.backend.scripts[digest] = Script(exit_code=0)
    aws = Recording(account)
    environment = replace(environment, connection=aws)
    hold(account, policy(scope_of(environment.settings, "staging"), ["run"]))
    assert (await run(environment, COMMAND, staging.tell, print)).exit_code == 0
    network = aws.asked["run_task"]["networkConfiguration"]["awsvpcConfiguration"]
    assert network == {
        "subnets": list(TASK.subnets),
        "securityGroups": list(TASK.security_groups),
        "assignPublicIp": "ENABLED" if TASK.public_ip else "DISABLED",
    }
    assert account.cloud.guard.asked


async def test_without_the_log_of_the_task_nothing_begins(account, staging, environment):
    await account.ask("logs", "delete_log_group", logGroupName=GROUP)
    with pytest.raises(RefusedError, match=f"there is no log group {GROUP}, so ECS cannot start the task"):
        await environment.deploy(await account.image(done()), staging.tell)
    assert (await environment.history()).newest == 0


async def test_a_migration_does_not_take_the_task_of_a_command_for_its_own(account, staging, environment):
    migration = TaskOrder(
        settings=environment.settings, environment="staging", digest=await deployed(account, staging, environment)
    )
    assert overrides(migration, COMMAND, "a" * 64)["startedBy"] != migration.started_by


async def test_what_does_not_start_is_an_error(account, staging, environment):
    with pytest.raises(RefusedError, match="there is no service notes-staging"):
        await run(environment, COMMAND, staging.tell, print)
    digest = await deployed(account, staging, environment)
    account.backend.scripts[digest] = Script(starts=False)
    with pytest.raises(SlipwayError, match="the task of the migration did not start"):
        await run(environment, COMMAND, staging.tell, print)
    with pytest.raises(SettingsError, match="staging has no task that could run a command"):
        await run(staging.environment, COMMAND, staging.tell, print)


@pytest.mark.parametrize(
    ("command", "code", "printed"),
    [
        ((sys.executable, "-c", "import sys; sys.exit(7)"), 7, ""),
        (("echo", "a  $HOME"), 0, "a  $HOME\n"),
        (("sh", "-c", "kill -9 $$"), 137, ""),
        (("sh", "-c", "kill $PPID; exec sleep 9"), 143, ""),
        (("printenv", "KEY", "DATABASE_URL", "MORE"), 0, "***\n***\n***\npostgresql://app:***@more/notes\n"),
        (("nosuchprogram", "-x"), 127, "slipway: the program 'nosuchprogram' is not in the image\n"),
        (("/",), 126, "slipway: the program '/' cannot be executed: Permission denied\n"),
    ],
)
def test_the_task_runs_the_command_without_a_shell_and_hides_the_secrets_in_its_output(command, code, printed):
    container = overrides(order("sha256:0", secrets={"DATABASE_URL": "arn:url", "KEY": "arn:key"}), command, "0")[
        "overrides"
    ]["containerOverrides"][0]
    assert len("".join(container["command"])) < 4000  # ECS accepts 8192 characters of overrides
    variables = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgresql://app:kana%2Frie@db/notes",
        "KEY": "-----BEGIN-----\nMIIEvw",
        "MORE": "postgresql://app:kana%2Frie@more/notes",
    }
    run = subprocess.run(
        [sys.executable, *container["command"]], env=variables, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (code, printed)


def test_flags_after_two_dashes_are_those_of_the_command():
    flags = parse(["run", "--environment", "staging", "--", "alembic", "--name", "x", "--", "--json", "current"])
    assert flags.command == ["alembic", "--name", "x", "--", "--json", "current"]
    assert not flags.json
    with pytest.raises(BadInputError, match="the following arguments are required: COMMAND"):
        parse(["run", "--environment", "staging"])
