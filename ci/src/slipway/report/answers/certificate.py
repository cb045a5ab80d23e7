"""Results about certificates."""

from slipway.records.certificate import Certificate, Validity
from slipway.records.form import to_json
from slipway.report.answers.result import CommandResult
from slipway.report.format import heads
from slipway.untrusted import one_line


def of_certificate(certificate: Certificate) -> CommandResult:
    """The text is the JSON, ready to be saved as a file."""
    return CommandResult(record=certificate, text=to_json(certificate))


def of_validity(validity: Validity) -> CommandResult:
    pair = f"from {heads(validity.before, 'an empty database')} to {heads(validity.after, 'an empty database')}"
    text = f"valid: {pair}" if validity.holds else f"not valid: {one_line(validity.why_not or '', 1000)}"
    outputs = {"why-not": validity.why_not or ""}
    return CommandResult(record=validity, text=f"{text}\n", code=0 if validity.holds else 1, outputs=outputs)
