"""The variables and the home folder that a service's code gets: a job's tokens are not among them."""

import json
import os
import sys
from pathlib import Path

import anyio
import pytest

from slipway.local.inside import Database, started
from slipway.workload.dependencies import _uv
from slipway.workload.inherited import PASSED, inherited
from slipway.workload.python import Python

TOKENS = {
    name: f"kanarie of {name}"
    for name in (
        *("GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN", "CI_JOB_TOKEN"),
        *("NPM_TOKEN", "TWINE_PASSWORD", "UV_PUBLISH_TOKEN", "DOCKER_AUTH_CONFIG", "SLACK_WEBHOOK_URL"),
        *("AWS_SECRET_ACCESS_KEY", "AZURE_CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS", "PGPASSWORD", "VAULT_TOKEN"),
    )
}  # fmt: skip
SHOWN = """\
import json, os, pathlib, sys
home = pathlib.Path.home()
pathlib.Path(sys.argv[-1]).write_text(json.dumps([dict(os.environ), os.listdir(home), str(home)]))
"""


@pytest.fixture
def job(monkeypatch):
    """A CI job with tokens."""
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_INDEX_PRIVATE_PASSWORD", "of the index")


@pytest.mark.slow
@pytest.mark.usefixtures("job")
async def test_imported_code_gets_no_token_and_an_empty_home(tmp_path):
    (tmp_path / "shown.py").write_text(SHOWN)
    async with started("shown", [], tmp_path, Python(Path(sys.prefix))) as process:
        variables, files, home = json.loads(await process.answer(Database("postgresql://here/x", {})))
    assert not variables.keys() & {*TOKENS, "UV_INDEX_PRIVATE_PASSWORD"}
    assert (variables["HOME"], files) == (home, [])
    assert home != os.environ.get("HOME")
    assert not await anyio.Path(home).exists()  # it ended with the process


@pytest.mark.slow
@pytest.mark.usefixtures("job")
def test_uv_may_build_code_and_gets_only_what_installing_needs(tmp_path, monkeypatch):
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\nenv > "$UV_PROJECT_ENVIRONMENT"\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    _uv(["sync"], tmp_path, tmp_path / "written")
    lines = (tmp_path / "written").read_text().splitlines()
    assert not [line for line in lines if "kanarie" in line]
    assert "UV_INDEX_PRIVATE_PASSWORD=of the index" in lines
    assert f"HOME={os.environ['HOME']}" in lines


def test_the_caller_names_further_variables_and_the_service_cannot():
    job = {
        **TOKENS,
        "HOME": "/home/me",
        "APP_ENV": "test",
        "APP_MODE": "x",
        "LC_ALL": "C",
        PASSED: "HOME, APP_* NO_SUCH",
    }
    assert inherited(job).keys() == {"HOME", "APP_ENV", "APP_MODE", "LC_ALL"}
