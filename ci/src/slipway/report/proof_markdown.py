"""A proof for a pull request: one screen, worst first, the measured fact and the safe code."""

import html
import re
from collections.abc import Iterator

from slipway.records.proof import Finding, Level, Proof, Verdict
from slipway.report.proof_text import place, summary
from slipway.untrusted import one_line, printable

_SHOWN = 10
# What no backslash disarms: GitHub's mentions and links, which are made after Markdown, and the beginnings of lists.
_ALIVE = re.compile(r"[@#]|:(?=//)|www(?=\.)|^-|^\d+(?=\.)")
_SIGNS = {Level.ERROR: "❌", Level.WARNING: "⚠️", Level.NOTE: "📝"}


def markdown(proof: Proof) -> str:
    """GitHub-flavoured Markdown."""
    heading = "passed" if proof.verdict is Verdict.PASS else "refused"
    shown = [finding for finding in proof.findings if finding.suppressed is None]
    parts = [f"## Migrations {heading}", escaped(summary(proof)), *(_finding(finding) for finding in shown[:_SHOWN])]
    if len(shown) > _SHOWN:
        parts.append(f"…and {len(shown) - _SHOWN} more.")
    parts += [f"- not covered: {escaped(gap)}" for gap in proof.coverage.gaps]
    return "\n\n".join(parts) + "\n"


def escaped(text: str, longest: int = 300) -> str:
    """One line in which neither Markdown nor HTML means anything, and nobody is mentioned."""
    quoted = re.sub(r"([\\`*_{}\[\]()+!|~])", r"\\\1", html.escape(one_line(text, longest), quote=False))
    return _ALIVE.sub(r"\g<0>&#8203;", quoted)


def _finding(finding: Finding) -> str:
    return "\n\n".join(_lines(finding))


def _lines(finding: Finding) -> Iterator[str]:
    yield f"### {_SIGNS[finding.level]} {escaped(finding.rule)} {escaped(place(finding))}"
    yield escaped(finding.message)
    yield f"Measured: {escaped(finding.measured, 600)}"
    yield fenced(finding.remedy)


def fenced(code: str) -> str:
    """Code in a fence that it cannot close."""
    code = printable(code)
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{code}\n{fence}"
