"""A proof for a pull request: one screen, worst first, the measured fact and the safe code."""

import html
import re
from collections.abc import Iterator

from slipway.records.proof import Finding, Level, Proof, Verdict
from slipway.report.proof_text import place, summary
from slipway.untrusted import one_line, printable

_SHOWN = 10
_SIGNS = {Level.ERROR: "❌", Level.WARNING: "⚠️", Level.NOTE: "ℹ️"}


def markdown(proof: Proof) -> str:
    """GitHub-flavoured Markdown."""
    heading = "passed" if proof.verdict is Verdict.PASS else "refused"
    shown = [finding for finding in proof.findings if finding.suppressed is None]
    parts = [f"## Migrations {heading}", escaped(summary(proof)), *(_finding(finding) for finding in shown[:_SHOWN])]
    if len(shown) > _SHOWN:
        parts.append(f"…and {len(shown) - _SHOWN} more.")
    parts += [f"- not covered: {escaped(one_line(gap))}" for gap in proof.coverage.gaps]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text in which neither Markdown nor HTML means anything."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~@])", r"\\\1", html.escape(text, quote=False))


def _finding(finding: Finding) -> str:
    return "\n\n".join(_lines(finding))


def _lines(finding: Finding) -> Iterator[str]:
    yield f"### {_SIGNS[finding.level]} {escaped(finding.rule)} {escaped(place(finding))}"
    yield escaped(one_line(finding.message))
    yield f"Measured: {escaped(one_line(finding.measured, 600))}"
    yield fenced(finding.remedy)


def fenced(code: str) -> str:
    """Code in a fence that it cannot close."""
    code = printable(code)
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{code}\n{fence}"
