"""Results about all services of a repository."""

import json

from slipway.records.services import Proofs, Services
from slipway.report.answers.result import CommandResult
from slipway.report.proof import services
from slipway.untrusted import one_line


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
    """The text has one folder a line, for a shell; the output is a list for the matrix of a workflow."""
    folders = [service.folder for service in record.services]
    text = "".join(f"{one_line(folder)}\n" for folder in folders)
    return CommandResult(record=record, text=text, outputs={"folders": json.dumps(folders)})
