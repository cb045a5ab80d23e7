"""Reports as files of a folder."""

from collections.abc import Mapping
from pathlib import Path

from slipway.errors import BadInputError
from slipway.records.form import to_json
from slipway.records.plan import Plan
from slipway.records.proof import Proof
from slipway.records.rehearsal import Rehearsal
from slipway.report.proof_annotations import annotations
from slipway.report.proof_html import html as page_of_proof
from slipway.report.proof_junit import junit
from slipway.report.proof_markdown import markdown
from slipway.report.proof_sarif import sarif
from slipway.report.proof_text import text
from slipway.report.rehearsal_html import html as page_of_rehearsal
from slipway.report.rehearsal_text import text as table
from slipway.report.release_markdown import of_plan as plan_markdown
from slipway.report.release_text import of_plan as plan_text


def of_proof(proof: Proof) -> dict[str, str]:
    """Every form of a proof, by the name of its file."""
    return {
        "proof.json": to_json(proof),
        "junit.xml": junit(proof),
        "proof.sarif": sarif(proof),
        "annotations.txt": annotations(proof),
        "summary.md": markdown(proof),
        "report.txt": text(proof),
        "index.html": page_of_proof(proof),
    }


def of_rehearsal(rehearsal: Rehearsal) -> dict[str, str]:
    """Every form of a rehearsal, by the name of its file."""
    return {
        "rehearsal.json": to_json(rehearsal),
        "index.html": page_of_rehearsal(rehearsal),
        "report.txt": table(rehearsal),
    }


def of_plan(plan: Plan) -> dict[str, str]:
    """A plan for `deploy`, and for whoever approves it."""
    return {"plan.json": to_json(plan), "plan.txt": plan_text(plan), "summary.md": plan_markdown(plan)}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write them; raises BadInputError when the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"the report cannot be written to {folder}", error.strerror or str(error)) from error
