"""`slipway plan --json > plan.json`, approval, `slipway deploy --plan plan.json`, in a simulated account."""

import json

import pytest

from slipway.cli import perform, run
from slipway.commands.grammar import parse
from slipway.errors import RefusedError
from slipway.records.form import to_json
from slipway.records.plan import Action, Plan
from tests.cli.conftest import PYPROJECT
from tests.simulator.account import URI

pytestmark = pytest.mark.slow

PLAN = Plan(
    environment="staging",
    service="notes-staging",
    image=f"{URI}@sha256:{'1' * 64}",
    action=Action.CREATE,
    changes=(),
    fingerprint="f00d",
)


async def slipway(account, service, command, *options):
    """Run a command in the account's event loop and return its exit code."""
    place = ["--source", str(service), "--environment", "staging", "--endpoint-url", account.cloud.url]
    return await perform(parse([command, *place, *options]))


async def test_a_saved_plan_is_deployed(account, service, capsys):
    digest = await account.image()
    assert await slipway(account, service, "plan", "--image", f"{URI}@{digest}", "--json") == 0
    (service / "plan.json").write_text(capsys.readouterr().out)
    assert await slipway(account, service, "deploy", "--plan", str(service / "plan.json"), "--json") == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["status"], outcome["live"]) == ("SUCCEEDED", digest)


async def test_a_saved_plan_is_not_deployed_after_the_settings_change(account, service, capsys):
    digest = await account.image()
    await slipway(account, service, "plan", "--image", f"{URI}@{digest}", "--json")
    (service / "plan.json").write_text(capsys.readouterr().out)
    (service / "pyproject.toml").write_text(f"{PYPROJECT}memory = 3072\n")
    with pytest.raises(RefusedError, match=r"no longer change what the plan says \(memory\)"):
        await slipway(account, service, "deploy", "--plan", str(service / "plan.json"))
    assert "CreateService" not in account.cloud.requests


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "plan.json: No such file or directory"),
        (b"\xff", "is not UTF-8"),
        (b"create notes in staging\n", "is not JSON"),
        (b"{}", "is no slipway/plan/1: its schema is None"),
        (b'{"schema": "slipway/plan/1"}', "is no slipway/plan/1 (environment: missing"),
        (
            to_json(PLAN).replace('"staging"', '"production"').encode(),
            "the plan is for notes-staging in production, not for notes-staging in staging",
        ),
        (to_json(PLAN).replace("notes-staging", "letters").encode(), "the plan is for letters in staging, not"),
        (to_json(PLAN).replace("create", "blocked").encode(), "the plan is blocked ("),
        (to_json(PLAN).replace("@sha256:", ":").encode(), "does not name an image by digest"),
    ],
    ids=[
        "none",
        "bytes",
        "text",
        "no record",
        "half a plan",
        "other environment",
        "other service",
        "blocked",
        "by tag",
    ],
)
def test_a_plan_that_cannot_be_used_is_bad_input_before_anything_is_asked(capsys, service, content, expected):
    if content is not None:
        (service / "plan.json").write_bytes(content)
    nobody = ["--endpoint-url", "http://127.0.0.1:1"]
    options = ["--source", str(service), "--environment", "staging", "--plan", str(service / "plan.json")]
    assert run(["deploy", *options, *nobody]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("slipway: ")
    assert expected in error


@pytest.mark.parametrize("what", [[], ["--image", f"{URI}@sha256:{'1' * 64}", "--plan", "plan.json"]])
def test_a_deployment_is_of_an_image_or_of_a_plan(capsys, what):
    assert run(["deploy", "--environment", "staging", *what]) == 2
    assert "--image" in capsys.readouterr().err
