"""Reports as files in a folder. A table for each record maps a file's name to the function that renders it."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from slipway.errors import BadInputError, SlipwayError
from slipway.records.form import to_json
from slipway.records.joint import JointPlan
from slipway.records.plan import Plan
from slipway.records.proof import Proof
from slipway.records.refusal import Refusal
from slipway.records.rehearsal import Rehearsal
from slipway.records.services import Proofs, ServiceProof
from slipway.report import rehearsal as rehearsal_report
from slipway.report.format import fenced
from slipway.report.joint import of_joint_plan as joint_plan_text
from slipway.report.proof import page, programs, services, text
from slipway.report.release import of_plan as plan_text
from slipway.report.release_markdown import of_plan as plan_markdown

R = TypeVar("R")
Formats = Mapping[str, Callable[[R], str]]


def _located(form: Callable[[Proof], str]) -> Callable[[Proof], str]:
    """Return a renderer that names files relative to the repository."""
    return lambda proof: form(proof.in_repository())


PROOF: Formats[Proof] = {
    "proof.json": to_json,
    "junit.xml": _located(programs.junit),
    "proof.sarif": _located(programs.sarif),
    "gl-code-quality-report.json": _located(programs.code_quality),
    "annotations.txt": _located(programs.annotations),
    "summary.md": _located(text.markdown),
    "comment.md": _located(text.comment),
    "report.txt": text.text,
    "index.html": page.page,
}
PROOFS: Formats[Proofs] = {
    "proofs.json": to_json,
    "junit.xml": services.junit,
    "proof.sarif": services.sarif,
    "gl-code-quality-report.json": lambda proofs: programs.code_quality(*proofs.proven),
    "annotations.txt": services.annotations,
    "summary.md": services.markdown,
    "comment.md": services.comment,
    "report.txt": services.text,
    "index.html": services.page,
}
REHEARSAL: Formats[Rehearsal] = {
    "rehearsal.json": to_json,
    "rehearsal.html": rehearsal_report.page,
    "rehearsal.txt": rehearsal_report.text,
}
PLAN: Formats[Plan] = {"plan.json": to_json, "plan.txt": plan_text, "summary.md": plan_markdown}
JOINT_PLAN: Formats[JointPlan] = {
    "plan.json": to_json,
    "plan.txt": joint_plan_text,
    "summary.md": lambda plan: f"{fenced(joint_plan_text(plan))}\n",
}


def _rendered(formats: Formats[R], record: R) -> dict[str, str]:
    return {name: form(record) for name, form in formats.items()}


of_proof = partial(_rendered, PROOF)
of_rehearsal = partial(_rendered, REHEARSAL)


def of_plan(plan: Plan | JointPlan) -> dict[str, str]:
    """Render a plan: JSON for `deploy`, and other forms for the person who approves the plan."""
    return _rendered(JOINT_PLAN, plan) if isinstance(plan, JointPlan) else _rendered(PLAN, plan)


def of_proofs(proofs: Proofs) -> dict[str, str]:
    """Render the reports about all services, and each service's own reports in a subfolder."""
    each = {
        f"{services.place(service.folder)}/{name}": text
        for service in proofs.services
        if service.proof
        for name, text in of_proof(service.proof).items()
    }
    return {**_rendered(PROOFS, proofs), **each}


def of_refusal(error: SlipwayError) -> dict[str, str]:
    """Render the reports of a gate that could not run. They contain the reasons, because CI servers read reports."""
    return _rendered(PROOFS, Proofs((ServiceProof(".", refusals=Refusal.every(error)),)))


def check(folder: Path) -> None:
    """Create the folder for reports before the work begins. Raise BadInputError when it is not writable."""
    write(folder, {})
    if not os.access(folder, os.W_OK):
        raise BadInputError(f"cannot write the report to {folder}", "Permission denied; pass another folder")


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files. Raise BadInputError when the folder is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInputError(f"cannot write the report to {folder}", f"{reason}; pass another folder") from error
