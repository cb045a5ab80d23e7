"""One small project for each kind of history that is found in the wild, proven by the command, and what comes of it."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from slipway.cli import run

pytestmark = pytest.mark.slow

HISTORIES = sorted(file.parent for file in (Path(__file__).parent / "histories").glob("*/expected.json"))


@pytest.mark.parametrize("history", HISTORIES, ids=[folder.name for folder in HISTORIES])
def test_a_history_in_the_wild_ends_in_what_its_folder_expects(history, tmp_path, capsys, server):
    project = shutil.copytree(history, tmp_path / history.name)
    run(["gate", "--source", str(project), "--python", sys.prefix, "--database-url", server, "--json"])
    printed = capsys.readouterr()
    assert printed.out, printed.err
    proof = json.loads(printed.out)
    errors = [finding for finding in proof["findings"] if finding["level"] == "error"]
    assert {
        "verdict": proof["verdict"],
        "errors": sorted([finding["rule"], finding["revision"]] for finding in errors),
        "revisions": sorted(each["id"] for each in proof["revisions"] if "up" in each["fingerprints"]),
    } == json.loads((history / "expected.json").read_text()), errors


def test_there_is_a_project_for_each_kind():
    assert len(HISTORIES) == 20
