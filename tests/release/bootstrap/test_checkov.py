"""checkov on the templates of both environments: no finding beside the exceptions, which have their reasons, and no exception without one.

checkov has an environment of its own, because it pins boto3==1.35.49, which no lock can have beside ours. cfn-lint is in test_template.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.errors import BadInputError
from slipway.release.bootstrap.template import stacks
from slipway.workload.dependencies import uv
from tests.foreign.clients import Client, MissingError, fetch
from tests.release.bootstrap.test_foundation import WANTED

_OWN_KEY = "it is encrypted with AWS's key; an own one costs a dollar a month each, and who may use it is one more policy to keep right"
BOTH = ("staging", "production")
# By the check: the environments in which it fails, and why that is accepted.
EXCEPTIONS = {
    "CKV_AWS_118": (
        BOTH,
        "enhanced monitoring needs a role of its own and is billed as logs; RDS has metrics without it",
    ),
    "CKV_AWS_136": (BOTH, f"repositories: {_OWN_KEY}"),
    "CKV_AWS_149": (BOTH, f"secrets: {_OWN_KEY}"),
    "CKV_AWS_158": (BOTH, f"log groups: {_OWN_KEY}"),
    "CKV_AWS_157": (
        ("staging",),
        "a second server doubles the price; multi-az = true makes one, and production has it",
    ),
}


def _install(copy: Path) -> list[str]:
    try:
        program, place = uv(), str(copy / ".venv")
    except BadInputError as error:
        raise MissingError(error.what) from error
    fetch([program, "venv", "--quiet", "--python", sys.executable, place], copy)
    fetch([program, "pip", "install", "--quiet", "--python", place, "--requirement", "requirements.txt"], copy)
    return [str(copy / ".venv/bin/checkov")]


CHECKOV = Client("checkov", Path(__file__).parents[2] / "foreign/checkov", (), _install)


@pytest.mark.slow
def test_checkov_finds_nothing_in_the_templates_but_the_exceptions(tmp_path):
    for environment in WANTED.environments:
        for stack in stacks(WANTED, environment):
            (tmp_path / f"{environment}-{stack.kind.value}.json").write_text(stack.text, encoding="utf-8")
    try:
        command = CHECKOV.command()
    except MissingError as missing:
        pytest.skip(str(missing))
    options = ["--directory", tmp_path, "--framework", "cloudformation", "--output", "json", "--quiet", "--compact"]
    # Nothing leaves this machine, and without the log checkov does not say that it cannot ask its makers for texts.
    variables = os.environ | {"LOG_LEVEL": "CRITICAL"}
    ran = subprocess.run(
        [*command, *options, "--skip-download"], capture_output=True, text=True, check=False, env=variables
    )
    report = json.loads(ran.stdout)
    assert report["summary"]["passed"] > 100, ran.stderr
    failed = [(each["check_id"], _environment(each), each["resource"]) for each in report["results"]["failed_checks"]]
    listed = {(check, environment) for check, (where, _) in EXCEPTIONS.items() for environment in where}
    assert [each for each in failed if each[:2] not in listed] == []
    assert listed - {each[:2] for each in failed} == set(), "exceptions without a finding"


def _environment(finding: dict) -> str:
    return Path(finding["file_path"]).name.partition("-")[0]
