"""Reports as files in a folder: one table per record, from the file's name to the function that renders it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from slipway.errors import BadInputError
from slipway.records.form import to_json
from slipway.records.plan import Plan
from slipway.records.proof import Proof
from slipway.records.rehearsal import Rehearsal
from slipway.report import rehearsal as rehearsal_report
from slipway.report.proof import page, programs, text
from slipway.report.release import of_plan as plan_text
from slipway.report.release_markdown import of_plan as plan_markdown

R = TypeVar("R")
Formats = Mapping[str, Callable[[R], str]]

PROOF: Formats[Proof] = {
    "proof.json": to_json,
    "junit.xml": programs.junit,
    "proof.sarif": programs.sarif,
    "gl-code-quality-report.json": programs.code_quality,
    "annotations.txt": programs.annotations,
    "summary.md": text.markdown,
    "comment.md": text.comment,
    "report.txt": text.text,
    "index.html": page.page,
}
REHEARSAL: Formats[Rehearsal] = {
    "rehearsal.json": to_json,
    "rehearsal.html": rehearsal_report.page,
    "rehearsal.txt": rehearsal_report.text,
}
PLAN: Formats[Plan] = {"plan.json": to_json, "plan.txt": plan_text, "summary.md": plan_markdown}


def _rendered(formats: Formats[R], record: R) -> dict[str, str]:
    return {name: form(record) for name, form in formats.items()}


of_proof = partial(_rendered, PROOF)
of_rehearsal = partial(_rendered, REHEARSAL)
of_plan = partial(_rendered, PLAN)  # the JSON for `deploy`, the others for the person who approves it


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files; raises BadInputError when the folder is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"cannot write the report to {folder}", error.strerror or str(error)) from error
