"""Results of testing migrations: proofs, services, certificates."""

import json

from slipway.records.certificate import Certificate, Validity
from slipway.records.form import to_json
from slipway.records.proof import Proof
from slipway.records.services import Proofs, Services
from slipway.report.answers.result import CommandResult
from slipway.report.format import heads
from slipway.report.proof import services
from slipway.report.proof.text import markdown as proof_markdown
from slipway.report.proof.text import text as proof_text
from slipway.untrusted import one_line


def of_proof(proof: Proof) -> CommandResult:
    return CommandResult(
        record=proof,
        text=proof_text(proof),
        code=1 if proof.failures and not proof.advisory else 0,
        markdown=proof_markdown(proof.in_repository()),
        outputs={"verdict": proof.verdict.value, "errors": str(len(proof.failures))},
    )


def of_proofs(proofs: Proofs) -> CommandResult:
    errors = sum(len(proof.failures) for proof in proofs.proven)
    return CommandResult(
        record=proofs,
        text=services.text(proofs),
        code=proofs.exit_code,
        markdown=services.markdown(proofs),
        outputs={"verdict": proofs.verdict.value, "errors": str(errors)},
    )


def of_services(record: Services) -> CommandResult:
    """Return the services' folders: as text one folder a line, for a shell, and as an output for the matrix of a workflow."""
    folders = [service.folder for service in record.services]
    text = "".join(f"{one_line(folder)}\n" for folder in folders)
    return CommandResult(record=record, text=text, outputs={"folders": json.dumps(folders)})


def of_certificate(certificate: Certificate) -> CommandResult:
    """Return the certificate as JSON, ready to be saved as a file."""
    return CommandResult(record=certificate, text=to_json(certificate))


def of_validity(validity: Validity) -> CommandResult:
    pair = f"from {heads(validity.before, 'an empty database')} to {heads(validity.after, 'an empty database')}"
    text = f"valid: {pair}" if validity.holds else f"not valid: {one_line(validity.why_not or '', 1000)}"
    outputs = {"why-not": validity.why_not or ""}
    return CommandResult(record=validity, text=f"{text}\n", code=0 if validity.holds else 1, outputs=outputs)
