"""`make checkov`: run checkov on the templates of both environments, and fail for a finding that is no exception, or an exception without one.

It has an environment of its own and is no part of `make test`: it pins boto3==1.35.49, which no lock can have beside ours, and on a fresh
clone its 96 packages (230 MB) and one run took 14 s of processor time, 8 s of it for the installation. cfn-lint is in the tests.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from slipway.release.bootstrap.template import stacks
from tests.release.bootstrap.test_foundation import WANTED

VERSION = "3.3.30"
_OWN_KEY = "it is encrypted with AWS's key; an own one costs a dollar a month each, and who may use it is one more policy to keep right"
# By the check and the environments in which it fails.
EXCEPTIONS = {
    (
        "CKV_AWS_118",
        "both",
    ): "enhanced monitoring needs a role of its own and is billed as logs; RDS has metrics without it",
    ("CKV_AWS_136", "both"): f"repositories: {_OWN_KEY}",
    ("CKV_AWS_149", "both"): f"secrets: {_OWN_KEY}",
    ("CKV_AWS_158", "both"): f"log groups: {_OWN_KEY}",
    ("CKV_AWS_157", "staging"): "a second server doubles the price; multi-az = true makes one, and production has it",
}


def findings() -> Iterator[tuple[str, str, str]]:
    """Yield the check, the environment and the resource of each failed check."""
    with tempfile.TemporaryDirectory() as folder:
        for environment in WANTED.environments:
            for stack in stacks(WANTED, environment):
                Path(folder, f"{environment}-{stack.kind.value}.json").write_text(stack.text, encoding="utf-8")
        program = [os.environ.get("UV", "uv"), "run", "--no-project", "--isolated", "--with", f"checkov=={VERSION}"]
        options = ["--directory", folder, "--framework", "cloudformation", "--output", "json", "--quiet", "--compact"]
        # Nothing leaves this machine, and without the log checkov does not say that it cannot ask its makers for texts.
        quiet = os.environ | {"LOG_LEVEL": "CRITICAL"}
        command = [*program, "checkov", *options, "--skip-download"]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=quiet)
    report = json.loads(ran.stdout)
    _say(f"checkov {VERSION}: {report['summary']['passed']} checks passed, {report['summary']['failed']} failed")
    for failed in report["results"]["failed_checks"]:
        environment = Path(failed["file_path"]).name.partition("-")[0]
        yield failed["check_id"], environment, f"{failed['check_name']}: {failed['resource']}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Return the exit code."""
    found = list(findings())
    listed = {
        (check, each)
        for check, where in EXCEPTIONS
        for each in (("staging", "production") if where == "both" else (where,))
    }
    new = [finding for finding in found if finding[:2] not in listed]
    gone = listed - {finding[:2] for finding in found}
    for check, environment, words in new:
        _say(f"{environment}: {check} {words}")
    for check, environment in sorted(gone):
        _say(f"{environment}: {check} is an exception and does not fail any more")
    for (check, where), reason in EXCEPTIONS.items():
        _say(f"exception in {where}: {check}: {reason}")
    return 1 if new or gone else 0


if __name__ == "__main__":
    sys.exit(main())
