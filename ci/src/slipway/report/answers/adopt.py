"""The result of an adoption."""

from slipway.records.adoption import Adoption
from slipway.report import adoption as adoption_text
from slipway.report.answers.result import CommandResult, fenced_result


def of_adoption(adoption: Adoption) -> CommandResult:
    """Return the adoption's report. It exits 1 after obstacles or drift, and when the gate failed."""
    good = not adoption.obstacles and not adoption.drift and adoption.passed is not False
    return fenced_result(adoption, adoption_text.of_adoption(adoption), 0 if good else 1)
