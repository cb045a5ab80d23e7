"""A: what comments in a revision's file allow, and the comments that allow nothing."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import date

from slipway.gate.allowances import FORM, Allowance, Unreadable
from slipway.gate.history import Node
from slipway.gate.rules.rule import Rule
from slipway.records.proof import Finding, Level

UNUSED = Rule(
    id="A01",
    name="unused comment",
    level=Level.WARNING,
    effect="The comment allows what does not occur; it would hide the next one that does.",
    remedy="Delete the comment, or the rule that it names for nothing.",
)
UNREADABLE = Rule(
    id="A02",
    name="unreadable comment",
    level=Level.ERROR,
    effect="The comment is meant to allow something, but it cannot be read.",
    remedy=f"""\
{FORM}
# On the line of the statement, right above it, or at the top level for the whole file; several rules with commas between; `until=` may be left out.""",
)


def check(
    node: Node,
    findings: Iterable[Finding],
    comments: Iterable[Allowance | Unreadable],
    looked_for: Collection[str],
    today: date,
) -> Iterator[Finding]:
    """A revision's findings as its comments leave them, and findings on the comments themselves.

    - looked_for: the rules that would have been found; of others nobody knows whether a comment is of use.
    """
    met = list(findings)
    allowances = [comment for comment in comments if isinstance(comment, Allowance)]
    yield from (_weighed(finding, allowances, today) for finding in met)
    for comment in comments:
        if isinstance(comment, Unreadable):
            yield UNREADABLE.finding(node, f"line {comment.line}: {comment.problem}", comment.line)
        elif node.new:
            yield from _unused(node, comment, met, looked_for)


def _weighed(finding: Finding, allowances: Iterable[Allowance], today: date) -> Finding:
    """The finding, which does not count when it is allowed today; what was allowed once stands in it as a fact."""
    if finding.suppressed is not None:
        return finding
    about = [allowance for allowance in allowances if allowance.covers(finding.rule, finding.line)]
    if holds := next((allowance for allowance in about if not allowance.expired(today)), None):
        return replace(finding, suppressed=str(holds))
    expired = "".join(f"; line {allowance.line} allowed it until {allowance.until}" for allowance in about)
    return replace(finding, measured=finding.measured + expired)


def _unused(node: Node, comment: Allowance, findings: list[Finding], looked_for: Collection[str]) -> Iterator[Finding]:
    for rule in comment.rules:
        used = any(finding.rule == rule and comment.covers(rule, finding.line) for finding in findings)
        if rule in looked_for and not used:
            yield UNUSED.finding(node, f"there is no {rule} {_where(comment)}", comment.line)


def _where(comment: Allowance) -> str:
    if comment.lines is None:
        return "in the whole revision"
    first, last = comment.lines
    return f"on line {first}" if first == last else f"on lines {first} to {last}"
