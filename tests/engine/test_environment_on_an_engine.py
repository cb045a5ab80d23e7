"""Commands of an environment by `dagger call`, in a simulated account with scripted releases."""

import subprocess
from functools import partial

import anyio.to_thread
import pytest

from tests.engine.conftest import Dagger
from tests.simulator.account import opened
from tests.simulator.scripted import Script

# Without a health path: the public address of a simulated service is one of the host, which a function does not see.
SETTINGS = """
[project]
name = "notes"

[tool.slipway]
name = "notes"
command = ["serve"]
"""
ENVIRONMENT = """
[tool.slipway.environments.{name}]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/notes-access"
"""


@pytest.fixture
def settings(tmp_path):
    """Calls from a repository with settings only, which is all that an environment needs."""
    environments = [ENVIRONMENT.format(name=name) for name in ("staging", "production")]
    (tmp_path / "pyproject.toml").write_text("".join([SETTINGS, *environments]))
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return Dagger(tmp_path)


async def test_an_approved_plan_is_deployed_then_promoted_and_a_platforms_rollback_is_red_and_ours_green(
    settings, tmp_path
):
    async with opened() as account:
        for name in ("notes-ledger-staging", "notes-ledger-production"):
            await account.ask("ecr", "create_repository", repositoryName=name, imageTagMutability="IMMUTABLE")
        endpoint = f"--endpoint=tcp://{account.cloud.url.removeprefix('http://')}"

        async def staging(*arguments):
            call = partial(settings.call, "environment", "--name=staging", endpoint, *arguments)
            return await anyio.to_thread.run_sync(call)

        good, bad = await account.image(), await account.image(Script(exit_code=1))
        planned = await staging("plan", f"--image=notes@{good}", "-o", str(tmp_path / "plan"))
        assert planned.returncode == 0, planned.stderr
        deployed = await staging("deploy", f"--plan={tmp_path}/plan/plan.json")
        assert "SUCCEEDED" in deployed.stdout, deployed.stderr
        promoted = await staging("promote", "--to=production")
        assert "SUCCEEDED" in promoted.stdout, promoted.stderr
        rolled_back = await staging("deploy", f"--image=notes@{bad}")
        assert rolled_back.returncode == 1
        assert "ROLLED_BACK" in rolled_back.stderr
        assert good in (await staging("status")).stdout
        await staging("deploy", f"--image=notes@{await account.image()}")
        back = await staging("rollback", "--without-certificate=it has no database")
        assert f"live:      {good}" in back.stdout, back.stderr
        assert "without certificate: it has no database" in (await staging("history")).stdout
