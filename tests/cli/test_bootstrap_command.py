"""`slipway bootstrap` and `slipway permissions` on the command line."""

import json

import pytest

from slipway.cli import perform, run
from slipway.commands.grammar import parse
from slipway.release.engine.target import Time
from tests.simulator.account import opened

PYPROJECT = """
[tool.slipway]
name = "letters"
command = ["serve"]
[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/letters-access"
"""


@pytest.fixture
def service(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return ["--source", str(tmp_path), "--environment", "staging"]


@pytest.mark.parametrize(
    ("options", "resources"),
    [
        (["--template"], ["AccessRole"]),
        (["--template", "--github", "octo/letters"], ["AccessRole", "DeployRole"]),
        (
            ["--template", "shared", "--github", "octo/letters"],
            ["Repository", "TrialRepository", "LedgerStaging", "GithubProvider", "ImageRole"],
        ),
    ],
)
def test_a_template_is_printed_without_asking_aws(service, capsys, options, resources):
    assert run(["bootstrap", *service, *options]) == 0
    assert list(json.loads(capsys.readouterr().out)["Resources"]) == resources


def test_a_call_that_cannot_be_is_refused_before_anything_is_made_for_it(service, tmp_path, capsys):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.replace('["serve"]', '["serve"]\ncalls = ["bilings"]'))
    assert run(["bootstrap", *service, "--apply"]) == 2
    assert "letters calls bilings, which is no service of this repository" in capsys.readouterr().err


@pytest.mark.slow
async def test_bootstrap_proposes_then_creates_then_has_nothing_to_do(service, capsys, monkeypatch):
    async with opened() as account:
        time = Time(account.cloud.clock.now, account.cloud.clock.sleep)
        monkeypatch.setattr("slipway.environment.environment.wall_clock", lambda: time)
        for options, said in (
            ([], "nothing was changed"),
            (["--apply"], "applied new stack slipway-letters-staging"),
            ([], "unchanged stack slipway-letters-shared"),
        ):
            assert await perform(parse(["bootstrap", *service, "--endpoint-url", account.cloud.url, *options])) == 0
            assert said in capsys.readouterr().out


def test_permissions_are_a_policy_of_all_commands_or_of_some(service, capsys):
    assert run(["permissions", *service]) == 0
    everything = json.loads(capsys.readouterr().out)
    assert run(["permissions", *service, "--command", "destroy", "--command", "plan"]) == 0
    some = json.loads(capsys.readouterr().out)
    deleted = [statement for statement in some["Statement"] if "apprunner:DeleteService" in statement["Action"]]
    assert deleted[0]["Resource"] == ["arn:aws:apprunner:eu-west-1:123456789012:service/letters-staging/*"]
    assert "apprunner:DeleteService" not in json.dumps(everything)


def test_permissions_of_a_command_that_the_platform_lacks_are_bad_input(service, capsys):
    assert run(["permissions", *service, "--command", "abort"]) == 2
    assert "the platform of staging has no abort: App Runner takes no deployment back" in capsys.readouterr().err


def test_permissions_of_an_unknown_command_are_bad_input(service, capsys):
    assert run(["permissions", *service, "--command", "fly"]) == 2
    assert "there is no command 'fly'" in capsys.readouterr().err
