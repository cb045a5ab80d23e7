"""Comments in a revision's file that allow what a rule objects to: `# slipway: allow L08 until=2027-01-31 because the table has ten rows`."""

import io
import re
import tokenize
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date

FORM = "# slipway: allow RULE until=2027-01-31 because REASON"

_FORM = re.compile(
    r"allow\s+(?P<rules>[^\s,]+(?:\s*,\s*[^\s,]+)*)(?:\s+until=(?P<until>\S*))?(?:\s+because\b:?(?P<reason>.*))?"
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")  # newer Pythons read other forms too
_OPENS_A_BLOCK = frozenset({"@", "async", "class", "def", "for", "if", "try", "while", "with"})
_BLANK = frozenset({tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING})


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What somebody allows.

    - line: where the comment stands. lines: the first and the last that it is about, None for the whole revision.
    - until: the last day on which it holds.
    """

    line: int
    lines: tuple[int, int] | None
    rules: tuple[str, ...]
    until: date | None
    reason: str

    def covers(self, rule: str, line: int | None) -> bool:
        within = self.lines is None or (line is not None and self.lines[0] <= line <= self.lines[1])
        return rule in self.rules and within

    def expired(self, today: date) -> bool:
        return self.until is not None and self.until < today

    def __str__(self) -> str:
        return f"allowed until {self.until}: {self.reason}" if self.until else f"allowed: {self.reason}"


@dataclass(frozen=True)
class Unreadable:
    """A comment that means to allow something, and why it does not."""

    line: int
    problem: str


@dataclass(frozen=True)
class _Comment:
    """A comment in the code: its line and column, what it says, and the lines that it is about."""

    line: int
    column: int
    text: str
    lines: tuple[int, int] | None


def read(source: bytes, rules: Collection[str]) -> tuple[Allowance | Unreadable, ...]:
    """What the comments of a file allow, in their order; `rules` are all that can be allowed."""
    if b"slipway:" not in source:  # to take a file apart takes longer than to look
        return ()
    return tuple(_parsed(comment, said, rules) for comment in _comments(source) for said in _said(comment.text))


def _comments(source: bytes) -> Iterator[_Comment]:
    """Every comment with the statement that it stands in, on the line of, or right above."""
    above: list[_Comment] = []
    inside: list[_Comment] = []
    first: tokenize.TokenInfo | None = None
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            (above if first is None else inside).append(_Comment(line, column, token.string, (line, line)))
        elif token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            yield from _about_statement(above, inside, first or token, token.start[0])
            above, inside, first = [], [], None
        elif first is None and token.type not in _BLANK:
            first = token


def _about_statement(
    above: list[_Comment], inside: list[_Comment], first: tokenize.TokenInfo, last: int
) -> Iterator[_Comment]:
    """The comments above a statement and in it. What stands at the top level is about the whole file, unless a block begins there."""
    begin, column = first.start
    for number, comment in enumerate(above):
        if not column and not comment.column:
            yield replace(comment, lines=None)
        elif comment.column <= column and comment.line + len(above) - number == begin:  # only comments in between
            yield replace(comment, lines=(begin, last))
        else:
            yield comment
    for comment in inside:
        whole = not column and first.string not in _OPENS_A_BLOCK
        yield replace(comment, lines=None if whole else (begin, last))


def _said(comment: str) -> Iterator[str]:
    """What a comment says to slipway; one line may hold several comments, as in `# noqa: E501  # slipway: …`."""
    for part in re.split(
        r"\s#+\s*(?=slipway:|noqa\b|type:|pyright:|pylint:|pragma:|nosec\b|fmt:)", comment.lstrip("#")
    ):
        said = part.strip()
        if said.startswith("slipway:"):
            yield said.removeprefix("slipway:").strip()


def _parsed(comment: _Comment, said: str, rules: Collection[str]) -> Allowance | Unreadable:
    match = _FORM.fullmatch(said)
    if match is None:
        return Unreadable(comment.line, f"it says `{said}`")
    named = tuple(rule.strip() for rule in match["rules"].split(","))
    reason = (match["reason"] or "").strip()
    until = _day(match["until"])
    if unknown := [rule for rule in named if rule not in rules]:
        return Unreadable(comment.line, f"there is no rule {', '.join(unknown)} that could be allowed")
    if match["until"] is not None and until is None:
        return Unreadable(comment.line, f"until={match['until']} is no day")
    if not reason:
        return Unreadable(comment.line, f"it does not say why {', '.join(named)} may be")
    return Allowance(line=comment.line, lines=comment.lines, rules=named, until=until, reason=reason)


def _day(text: str | None) -> date | None:
    if text is None or not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
