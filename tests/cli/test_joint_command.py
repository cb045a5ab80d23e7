"""`--all` on the command line: the services of the repository, and the flags that are for one service."""

import json

import pytest

from slipway.cli import run
from tests.simulator.express import EXECUTION_ROLE, INFRASTRUCTURE_ROLE

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/{}@sha256:" + "1" * 64


@pytest.fixture
def repository(tmp_path):
    """Two services below a folder that is none itself; return the flags that name it."""
    (tmp_path / ".git").mkdir()
    for name, calls in (("billing", []), ("web", ["billing"])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(f"""
[tool.slipway]
name = "{name}"
command = ["serve"]
health-path = "/"
calls = {calls}
[tool.slipway.environments.staging]
target = "ecs-express"
region = "eu-west-1"
account = "123456789012"
access-role = "{EXECUTION_ROLE}"
infrastructure-role = "{INFRASTRUCTURE_ROLE}"
""")
    return ["--environment", "staging", "--source", str(tmp_path)]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["deploy", "--all", "--plan", "absent.json"], "absent.json"),
        (
            ["deploy", "--all", "--image", "x", "--certificate", "c"],
            "a certificate is for one service and does not name it: deploy the service that migrates with it, without --all",
        ),
        (
            ["deploy", "--all", "--image", "x", "--without-ledger", "it is down"],
            "without them: deploy each service alone with --without-ledger, callees first",
        ),
        (
            ["deploy", "--image", "x", "--without-certificate", "why"],
            "--without-certificate is for the rollback of several services",
        ),
        (["status", "--all", "--watch", "5m"], "--watch is for one service"),
        (["rollback", "--image-only", "--service", "web", "--region", "eu-west-1"], "with --service none are read"),
        (["history", "--limit", "0"], "--limit needs a number above 0"),
        (["plan", "--all", "--image", IMAGE.format("mailer")], "no service of this repository is called 'mailer'"),
        (["plan", "--all", "--image", IMAGE.format("web")], "web cannot reach billing privately in staging"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(repository, capsys, command, words):
    assert run([*command, *repository]) == 2
    assert words in capsys.readouterr().err


def test_several_images_are_for_all_and_a_caller_without_a_private_way_is_refused(repository, capsys):
    folder = f"{repository[-1]}/billing"
    images = ["--image", IMAGE.format("billing"), "--image", IMAGE.format("web")]
    assert run(["plan", "--environment", "staging", "--source", folder, *images]) == 2
    assert "there are 2 images: pass one, or --all to release several services as one" in capsys.readouterr().err
    web = f"{repository[-1]}/web"
    assert run(["plan", "--environment", "staging", "--source", web, "--image", IMAGE.format("web")]) == 2
    assert "the callee is in no network: add a network table" in capsys.readouterr().err


def test_one_policy_is_for_the_services_of_a_release(repository, capsys):
    assert run(["permissions", "--all", *repository]) == 0
    statements = json.loads(capsys.readouterr().out)["Statement"]
    names = [each["Sid"] for each in statements]
    assert len(set(names)) == len(names)
    (service,) = (each for each in statements if "ecs:UpdateExpressGatewayService" in each["Action"])
    assert [arn.rpartition("/")[2] for arn in service["Resource"]] == ["billing-staging", "web-staging"]
    (called,) = (each for each in statements if each["Sid"] == "CalledServices")
    assert called["Resource"] == ["arn:aws:ecs:eu-west-1:123456789012:service/*"]
