"""Rules A: comments that suppress findings, such as `# slipway: allow L08 until=2027-01-31 because the table has ten rows`."""

import io
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from slipway.gate.history import Node
from slipway.gate.rulebook.graph import UNREADABLE, UNUSED
from slipway.records.proof import Finding

_FORM: Final = re.compile(
    r"allow\s+(?P<rules>[^\s,]+(?:\s*,\s*[^\s,]+)*)(?:\s+until=(?P<until>\S*))?(?:\s+because\b:?(?P<reason>.*))?"
)
_NEXT_COMMENT: Final = re.compile(r"\s#+\s*(?=slipway:|noqa\b|type:|pyright:|pylint:|pragma:|nosec\b|fmt:)")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")  # newer versions of Python accept other forms, too
_OPENS_A_BLOCK: Final = frozenset({"@", "async", "class", "def", "for", "if", "try", "while", "with"})
_BLANK: Final = frozenset({tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING})


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """A comment that suppresses findings of some rules."""

    line: int  # the comment's line
    lines: tuple[int, int] | None  # the first and last line to which it applies; None for the whole revision
    rules: tuple[str, ...]
    until: date | None  # the last day on which the comment applies
    reason: str

    def covers(self, finding: Finding, file: str) -> bool:
        """Return whether the comment suppresses a finding.

        `file` is the comment's file; a finding in another file, such as env.py, has no line in it.
        """
        line = finding.line
        within = self.lines is None or (line is not None and self.lines[0] <= line <= self.lines[1])
        return finding.rule in self.rules and (within or finding.file != file)

    def expired(self, today: date) -> bool:
        return self.until is not None and self.until < today

    def __str__(self) -> str:
        return f"allowed until {self.until}: {self.reason}" if self.until else f"allowed: {self.reason}"


@dataclass(frozen=True)
class Unreadable:
    """A comment for slipway that suppresses nothing, with the reason."""

    line: int
    problem: str


@dataclass(frozen=True)
class _Comment:
    """A comment in the code, with the lines of the statement to which it belongs."""

    line: int
    column: int
    text: str
    lines: tuple[int, int] | None


def read(source: bytes, rules: Collection[str]) -> tuple[Allowance | Unreadable, ...]:
    """Return the comments for slipway in a file, in order. `rules` are all rules that a comment can suppress."""
    if b"slipway:" not in source:  # tokenizing would take longer
        return ()
    return tuple(_parsed(comment, text, rules) for comment in _comments(source) for text in _addressed(comment.text))


def check(
    node: Node,
    findings: Iterable[Finding],
    comments: Iterable[Allowance | Unreadable],
    looked_for: Collection[str],
    today: date,
) -> Iterator[Finding]:
    """Yield a revision's findings, suppressed where its comments allow, and findings about the comments.

    - looked_for: the rules that were checked. A comment about another rule may still be needed.
    """
    every = list(findings)
    allowances = [comment for comment in comments if isinstance(comment, Allowance)]
    yield from (_suppressed(finding, allowances, node.file, today) for finding in every)
    for comment in comments:
        if isinstance(comment, Unreadable):
            yield UNREADABLE.finding(node, f"line {comment.line}: {comment.problem}", comment.line)
        elif node.new:
            yield from _unused(node, comment, every, looked_for)


def _comments(source: bytes) -> Iterator[_Comment]:
    """Yield every comment with the lines of the statement below or around it; None for the whole file."""
    above: list[_Comment] = []
    inside: list[_Comment] = []
    first: tokenize.TokenInfo | None = None
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            (above if first is None else inside).append(_Comment(line, column, token.string, (line, line)))
        elif token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            yield from _of_statement(above, inside, first or token, token.start[0])
            above, inside, first = [], [], None
        elif first is None and token.type not in _BLANK:
            first = token


def _of_statement(
    above: list[_Comment], inside: list[_Comment], first: tokenize.TokenInfo, last: int
) -> Iterator[_Comment]:
    """Yield the comments above and inside a statement.

    At the top level they apply to the whole file, unless a block begins there.
    """
    begin, column = first.start
    for number, comment in enumerate(above):
        if not column and not comment.column:
            yield replace(comment, lines=None)
        # only further comments are between this one and the statement
        elif comment.column <= column and comment.line + len(above) - number == begin:
            yield replace(comment, lines=(begin, last))
        else:
            yield comment
    for comment in inside:
        whole = not column and first.string not in _OPENS_A_BLOCK
        yield replace(comment, lines=None if whole else (begin, last))


def _addressed(comment: str) -> Iterator[str]:
    """Yield the parts for slipway. One line may have several comments, such as `# noqa: E501  # slipway: …`."""
    for part in _NEXT_COMMENT.split(comment.lstrip("#")):
        if part.strip().startswith("slipway:"):
            yield part.strip().removeprefix("slipway:").strip()


def _parsed(comment: _Comment, text: str, rules: Collection[str]) -> Allowance | Unreadable:
    match = _FORM.fullmatch(text)
    if match is None:
        return Unreadable(comment.line, f"cannot read `{text}`")
    named = tuple(rule.strip() for rule in match["rules"].split(","))
    reason = (match["reason"] or "").strip()
    until = _day(match["until"])
    if unknown := [rule for rule in named if rule not in rules]:
        return Unreadable(comment.line, f"there is no rule {', '.join(unknown)} that can be allowed")
    if match["until"] is not None and until is None:
        return Unreadable(comment.line, f"until={match['until']} is not a date like 2027-01-31")
    if not reason:
        return Unreadable(comment.line, f"the reason for allowing {', '.join(named)} is missing")
    return Allowance(line=comment.line, lines=comment.lines, rules=named, until=until, reason=reason)


def _day(text: str | None) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(text) if text and _DATE.fullmatch(text) else None
    return None


def _suppressed(finding: Finding, allowances: Iterable[Allowance], file: str, today: date) -> Finding:
    """Return the finding, suppressed if a comment allows it today.

    An expired comment is mentioned in the measured fact.
    """
    if finding.suppressed is not None:
        return finding
    covering = [allowance for allowance in allowances if allowance.covers(finding, file)]
    if valid := next((allowance for allowance in covering if not allowance.expired(today)), None):
        return replace(finding, suppressed=str(valid))
    expired = "".join(f"; line {allowance.line} allowed it until {allowance.until}" for allowance in covering)
    return replace(finding, measured=finding.measured + expired)


def _unused(node: Node, comment: Allowance, findings: list[Finding], looked_for: Collection[str]) -> Iterator[Finding]:
    for rule in comment.rules:
        used = any(finding.rule == rule and comment.covers(finding, node.file) for finding in findings)
        if rule in looked_for and not used:
            yield UNUSED.finding(node, f"there is no {rule} {_where(comment)}", comment.line)


def _where(comment: Allowance) -> str:
    if comment.lines is None:
        return "in the whole revision"
    first, last = comment.lines
    return f"on line {first}" if first == last else f"on lines {first} to {last}"
