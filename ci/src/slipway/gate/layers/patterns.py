"""Texts that match the pattern of a check: a regular expression of Postgres, or a LIKE pattern."""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

_LETTERS = string.ascii_lowercase + string.digits + string.ascii_uppercase + "-_.@/: "
_SETS = {"d": string.digits, "w": string.ascii_lowercase + string.digits, "s": " ", "S": string.ascii_lowercase}
_NAMED = {
    "alpha": string.ascii_lowercase + string.ascii_uppercase,
    "alnum": string.ascii_lowercase + string.digits + string.ascii_uppercase,
    "digit": string.digits,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "xdigit": "abcdef0123456789",
    "space": " ",
    "punct": "-_.",
}
_TOKENS = re.compile(
    r"(?P<set>\[\^?\]?(?:\[:\w+:\]|\\.|[^\]\\])*\])|(?P<open>\((?:\?[a-z:]*)?(?P<look>[=!]|<[=!])?)|(?P<close>\))|(?P<or>\|)"
    r"|(?P<times>(?:[*+?]|\{\d+(?:,\d*)?\})\??)|(?P<edge>[\^$]|\\[AZmMyYbB])|\\(?P<escaped>.)|(?P<any>\.)|(?P<plain>.)",
    re.DOTALL,
)  # fmt: skip
_MEMBERS = re.compile(r"\[:(\w+):\]|\\([dwsS])|\\?(.)-\\?([^\]])|\\?(.)", re.DOTALL)
_LONGEST = 1_000


def like(pattern: str, row: int, size: int = 2) -> str:
    """Return a text that matches a LIKE pattern, with `size` characters for each %."""
    filling = {"%": f"v{row}".rjust(size, "v")[-size:], "_": str(row)}
    return re.sub(r"\\(.)|%|_", lambda part: part[1] or filling[part[0]], pattern)


def example(pattern: str, row: int, times: int) -> str | None:
    """Return a text that should match a regular expression, or None.

    Different rows get different characters. Parts with unlimited repetition are repeated `times` times.
    """
    reader = _Reader(list(_TOKENS.finditer(pattern)), row, times)
    text = reader.alternatives()
    return text if not reader.tokens and len(text) <= _LONGEST else None


@dataclass
class _Reader:
    """A reader of regular expressions, from left to right."""

    tokens: list[re.Match[str]]
    row: int
    times: int

    def alternatives(self) -> str:
        """Read to the end of a group. Each row uses another alternative."""
        texts = [self._sequence()]
        while self.tokens and self.tokens[0]["or"]:
            self.tokens.pop(0)
            texts.append(self._sequence())
        return texts[(self.row - 1) % len(texts)]

    def _sequence(self) -> str:
        parts = []
        while self.tokens and not (self.tokens[0]["or"] or self.tokens[0]["close"]):
            part = self._part(self.tokens.pop(0))
            parts.append(part * self._repetitions())
        return "".join(parts)

    def _part(self, token: re.Match[str]) -> str:
        if token["open"]:
            inner = self.alternatives()
            if self.tokens:
                self.tokens.pop(0)
            return "" if token["look"] else inner
        if token["edge"] or token["times"]:
            return ""
        if token["plain"]:
            return token["plain"]
        if token["escaped"] and token["escaped"] not in _SETS:
            return token["escaped"]
        members = "".join(_members(token["set"])) if token["set"] else _SETS.get(token["escaped"] or "", _LETTERS)
        return members[(self.row - 1) % len(members)] if members else ""

    def _repetitions(self) -> int:
        if not (self.tokens and self.tokens[0]["times"]):
            return 1
        written = self.tokens.pop(0)["times"]
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(written[0]) or _bounds(written)
        return max(least, self.times if most is None else min(self.times, most))


def _bounds(written: str) -> tuple[int, int | None]:
    least, comma, most = written.rstrip("?").strip("{}").partition(",")
    return int(least), (int(most) if most else None) if comma else int(least)


def _members(written: str) -> Iterator[str]:
    """Yield the characters that a bracket expression matches.

    For an excluding one, choose from the usual characters.
    """
    negated = written.startswith("[^")
    listed = "".join(map(_member, _MEMBERS.finditer(written[2 if negated else 1 : -1])))
    yield from (letter for letter in _LETTERS if letter not in listed) if negated else listed


def _member(part: re.Match[str]) -> str:
    named, escaped, first, last, single = part.groups()
    if named or escaped:
        return _NAMED.get(named, "") if named else _SETS[escaped]
    return "".join(map(chr, range(ord(first), ord(last) + 1))) if first else str(single)
