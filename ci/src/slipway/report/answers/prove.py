"""The result of a proof."""

from slipway.records.proof import Proof
from slipway.report.answers.result import CommandResult
from slipway.report.proof.text import markdown as proof_markdown
from slipway.report.proof.text import text as proof_text


def of_proof(proof: Proof) -> CommandResult:
    return CommandResult(
        record=proof,
        text=proof_text(proof),
        code=1 if proof.failures and not proof.advisory else 0,
        markdown=proof_markdown(proof.in_repository()),
        outputs={"verdict": proof.verdict.value, "errors": str(len(proof.failures))},
    )
