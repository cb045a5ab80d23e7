"""A proof for a pull request: one screen, worst findings first, each with its remedy."""

from collections.abc import Iterator

from slipway.records.proof import Finding, Level, Proof, Verdict
from slipway.report.markdown import escaped, fenced
from slipway.report.proof.text import place, summary

_SHOWN = 10
_SIGNS = {Level.ERROR: "❌", Level.WARNING: "⚠️", Level.NOTE: "📝"}


def markdown(proof: Proof) -> str:
    """Render GitHub-flavoured Markdown."""
    heading = "passed" if proof.verdict is Verdict.PASS else "refused"
    shown = [finding for finding in proof.findings if finding.suppressed is None]
    parts = [f"## Migrations {heading}", escaped(summary(proof)), *(_finding(finding) for finding in shown[:_SHOWN])]
    if len(shown) > _SHOWN:
        parts.append(f"{len(shown) - _SHOWN} more findings are in the full report.")
    parts += [f"- not covered: {escaped(gap)}" for gap in proof.coverage.gaps]
    return "\n\n".join(parts) + "\n"


def _finding(finding: Finding) -> str:
    return "\n\n".join(_lines(finding))


def _lines(finding: Finding) -> Iterator[str]:
    yield f"### {_SIGNS[finding.level]} {escaped(finding.rule)} {escaped(place(finding))}"
    yield escaped(finding.message)
    yield f"Measured: {escaped(finding.measured, 600)}"
    yield fenced(finding.remedy, "python") if finding.remedy_is_code else escaped(finding.remedy, 600)
