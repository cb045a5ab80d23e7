"""What the gate says of revisions in the wild, beside what somebody said who read them and had not seen its verdicts.

`labelled-revisions.json` has ids and labels only. The projects are those that were fetched: LABELLED_PROJECTS names a folder in which `owner+name` is the
folder of a service, at the commit of the labels, with its environment in `.venv` and what env.py needs in `[tool.slipway.migrations]`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LABELS = json.loads(Path(__file__).with_name("labelled-revisions.json").read_text(encoding="utf-8"))["projects"]
FOLDER = Path(os.environ["LABELLED_PROJECTS"]) if os.environ.get("LABELLED_PROJECTS") else None
FETCHED = {name: FOLDER / name.replace("/", "+") for name in LABELS} if FOLDER else {}
HERE = {name: folder for name, folder in FETCHED.items() if folder.is_dir()}


def blocking(folder):
    """The revisions that the gate says block, of those that it reached."""
    command = [sys.executable, "-m", "slipway.cli", "gate", "--source", folder, "--python", folder / ".venv", "--json"]
    proof = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    reached = {revision["id"] for revision in proof["revisions"] if "up" in revision["fingerprints"]}
    errors = {each["revision"] for each in proof["findings"] if each["level"] == "error" and each["rule"][0] in "LQ"}
    return errors & reached, reached


@pytest.mark.slow
def test_recall_and_precision_for_what_blocks_in_the_wild():
    if not HERE:
        pytest.skip("LABELLED_PROJECTS names no folder with a project that was labelled")
    missed, wrong, labelled_blocking, said_blocking = [], [], 0, 0
    for name, folder in HERE.items():
        said, reached = blocking(folder)
        truly, harmless = (reached.intersection(LABELS[name][label]) for label in ("blocking", "harmless"))
        missed += sorted(truly - said)
        wrong += sorted(harmless & said)
        labelled_blocking += len(truly)
        said_blocking += len(said & (truly | harmless))
    told = f"{labelled_blocking} block, {said_blocking} are said to; missed {missed}, wrong {wrong}"
    assert len(missed) <= 0.01 * labelled_blocking, told
    assert len(wrong) <= 0.03 * said_blocking, told


def test_every_label_is_one_or_the_other():
    for project in LABELS.values():
        assert not set(project["blocking"]) & set(project["harmless"])
    assert sum(len(project[label]) for project in LABELS.values() for label in ("blocking", "harmless")) == 78
