"""`slipway preflight` in a simulated account."""

import json

import pytest

from slipway.cli import perform
from slipway.commands.grammar import parse
from slipway.errors import BadInputError
from tests.simulator.account import REPOSITORIES, ROLE, URI, opened

PYPROJECT = f"""
[tool.slipway]
name = "notes"
command = ["serve"]
[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "{ROLE}"
"""
ABSENT = f"{URI}@sha256:{'0' * 64}"


@pytest.fixture
def preflight(tmp_path):
    """Run preflight for an image in the account's event loop and return its exit code."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)

    async def run(account, image, *options):
        place = ["--source", str(tmp_path), "--environment", "staging", "--endpoint-url", account.cloud.url]
        return await perform(parse(["preflight", *place, "--image", image, *options]))

    return run


@pytest.fixture(scope="module")
async def account():
    async with opened(repositories=REPOSITORIES) as account:
        yield account


async def test_passed_and_uncovered_checks_are_a_tree(account, preflight, capsys):
    assert await preflight(account, f"{URI}@{await account.image()}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"notes-staging in staging: {URI}@sha256:")
    assert "    OK platform: one manifest, for linux/amd64" in lines
    assert any(line.startswith("    ?  release: it was not started: it is a container image") for line in lines)
    assert " OK, 0 refused, 5 not covered, in " in lines[-1]


async def test_a_refusal_exits_1(account, preflight, capsys):
    assert await preflight(account, ABSENT) == 1
    assert f"    NO digest: the repository notes has no image sha256:{'0' * 64}" in capsys.readouterr().out


async def test_as_json_it_is_a_record(account, preflight, capsys):
    assert await preflight(account, ABSENT, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["environment"]) == ("slipway/preflight/1", "staging")
    assert [check["verdict"] for branch in said["branches"] for check in branch["checks"]].count("REFUSED") == 1


@pytest.mark.parametrize("image", [f"{URI}:latest", "other@sha256:" + "0" * 64, f"9{URI[1:]}@sha256:{'0' * 64}"])
async def test_a_tag_or_the_image_of_another_repository_is_bad_input_and_nothing_is_asked(account, preflight, image):
    before = len(account.cloud.requests)
    with pytest.raises(BadInputError, match=r"by digest|this environment deploys from"):
        await preflight(account, image)
    assert account.cloud.requests[before:] == []
