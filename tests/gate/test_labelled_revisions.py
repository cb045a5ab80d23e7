"""The gate's verdicts on revisions of public projects, compared with labels by a reader who had not seen the verdicts.

`labelled-revisions.json` has ids and labels only. LABELLED_PROJECTS names a folder with a checkout of each project as
`owner+name`, at the commit of the labels, with its environment in `.venv` and its settings in `[tool.slipway.migrations]`.
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
    """The revisions that the gate reports as blocking, and those that it reached."""
    command = [
        sys.executable,
        "-m",
        "slipway.cli",
        "gate",
        "--all-revisions",
        "--source",
        folder,
        "--python",
        folder / ".venv",
        "--json",
    ]
    proof = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    reached = {revision["id"] for revision in proof["revisions"] if "up" in revision["fingerprints"]}
    errors = {
        each["revision"] for each in proof["findings"] if each["level"] == "error" and "blocking" in each["implies"]
    }
    return errors & reached, reached


@pytest.mark.slow
def test_recall_and_precision_for_blocking_revisions_of_public_projects():
    if not HERE:
        pytest.skip("LABELLED_PROJECTS names no folder with a project that was labelled")
    missed, wrong, labelled_blocking, reported_blocking = [], [], 0, 0
    for name, folder in HERE.items():
        reported, reached = blocking(folder)
        truly, harmless = (reached.intersection(LABELS[name][label]) for label in ("blocking", "harmless"))
        missed += sorted(truly - reported)
        wrong += sorted(harmless & reported)
        labelled_blocking += len(truly)
        reported_blocking += len(reported & (truly | harmless))
    counts = f"{labelled_blocking} block, {reported_blocking} are reported; missed {missed}, wrong {wrong}"
    assert len(missed) <= 0.01 * labelled_blocking, counts
    assert len(wrong) <= 0.03 * reported_blocking, counts


def test_every_label_is_one_or_the_other():
    for project in LABELS.values():
        assert not set(project["blocking"]) & set(project["harmless"])
    assert sum(len(project[label]) for project in LABELS.values() for label in ("blocking", "harmless")) == 78
