"""Candidates for the value of a column, as SQL expressions.

The ordinary value of a row comes first, then values that the column's checks suggest.
Postgres decides, by accepting or refusing each candidate. The ordinary value depends only on the type and the row's
number. The texts of the first two rows are short; those of the others are as long as texts that people enter.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from slipway.gate.layers.patterns import example, like
from slipway.gate.measure.session import literal

_LONG = 40  # characters of an ordinary text, where the type has room for it
_SHORT_ROWS = 2
_LONGEST_ASKED = 1_000  # characters of texts for a check of their length
_MOST_ELEMENTS = 10
_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])(-?\d+(?:\.\d+)?)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DAY = re.compile(r"(\d{4}-\d\d-)(\d\d)(.*)")
_TEXTS = {"bpchar", "citext", "name", "text", "varchar"}
_SHAPES = ("a", "ab", "A1", "a@example.org", "https://example.org")  # forms that checks on text often require
# The ordinary value of row number N, by the name of a type, then by pg_type's category.
_BY_TYPE = {
    "box": "({row}.5,{row}.5),({row},{row})",
    "bytea": "\\x0{row}",
    "char": "{row}",
    "circle": "<({row},0),0.1>",
    "float4": "700{row}.5",
    "float8": "700{row}.5",
    "geography": "POINT({row} {row})",
    "geometry": "POINT({row} {row})",
    "hstore": '"n"=>"{row}"',
    "json": '{{"n": {row}}}',
    "jsonb": '{{"n": {row}}}',
    "jsonpath": "$.n",
    "line": "{{1,1,{row}}}",
    "lseg": "(0,0),({row},1)",
    "ltree": "v{row}",
    "macaddr": "08:00:2b:01:02:0{row}",
    "macaddr8": "08:00:2b:01:02:03:04:0{row}",
    "numeric": "700{row}.25",
    "path": "((0,0),({row},1))",
    "pg_lsn": "0/{row}",
    "point": "({row},{row})",
    "polygon": "((0,0),(0,1),({row},1))",
    "time": "0{row}:00:00",
    "timestamp": "2026-01-0{row} 12:34:56.789",
    "timestamptz": "2026-01-0{row} 12:34:56.789",
    "timetz": "0{row}:00:00",
    "tsquery": "v{row}",
    "tsvector": "v{row}",
    "uuid": "5ee5ee5e-5ee5-4ee5-8ee5-5ee5ee5ee5e{row}",
    "xml": "<n>{row}</n>",
}
_BY_CATEGORY = {
    "B": "{truth}",
    "D": "2026-01-0{row}",
    "I": "10.0.0.{row}",
    "N": "700{row}",  # larger than the keys of rows that revisions insert
    "S": "v{row}",
    "T": "{row} days",
}


@dataclass(frozen=True, kw_only=True)
class Type:
    """A type in pg_type. A domain is replaced by the type under it.

    - name: the type's name for a cast.
    - own: the name of the type under a domain, without a modifier.
    - width: the numbers of the type's modifier, as in bit(4).
    - element: the element type of an array or a range.
    - parts: the types of a composite type's fields.
    - brief: whether the texts of all rows are short.
    """

    name: str
    own: str
    base: str
    category: str
    length: int | None = None
    labels: tuple[str, ...] = ()
    width: tuple[int, ...] = ()
    element: "Type | None" = None
    parts: tuple["Type", ...] = ()
    brief: bool = False

    def of(self, expression: str) -> str:
        return f"{expression}::{self.name}"

    def text(self, text: str) -> str:
        return self.of(literal(text))

    def range(self, low: str, high: str) -> str:
        """Return a range, or a multirange with one range."""
        inner = self.element
        single = inner is not None and inner.category == "R"
        return self.of(f"{self.own}({low})" if single else f"{self.own}({low}, {high})")


@dataclass(frozen=True)
class Hints:
    """The literals in the conditions on a column."""

    texts: tuple[str, ...]
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, conditions: Iterable[str]) -> "Hints":
        literals = [match for condition in conditions for match in _LITERAL.findall(condition)]
        texts = dict.fromkeys(text.replace("''", "'") for text, number in literals if not number)
        numbers = {float(each) for each in (*texts, *(number for _, number in literals)) if _NUMBER.fullmatch(each)}
        return cls(tuple(texts), tuple(sorted(numbers)))

    def around(self) -> Iterator[float]:
        for number in self.numbers:
            yield from (number, number + 1, number - 1)

    def sizes(self) -> list[int]:
        """Return the text lengths that a check may require."""
        return [int(size) for size in dict.fromkeys(self.around()) if 0 < size <= _LONGEST_ASKED]


def ordinary(kind: Type, row: int) -> str | None:
    """Return the expression of a value for a column without conditions; None for an unknown type."""
    if kind.parts:
        return kind.of(f"ROW({', '.join(ordinary(part, row) or 'NULL' for part in kind.parts)})")
    if kind.element:
        value, following = ordinary(kind.element, row), ordinary(kind.element, row + 1)
        if value is None or following is None:
            return None
        return kind.of(f"ARRAY[{value}]") if kind.category == "A" else kind.range(value, following)
    text = _ordinary_text(kind, row)
    return None if text is None else kind.text(text)


def candidates(kind: Type, row: int, hints: Hints) -> list[str]:
    """Return different expressions, the ordinary one first. The order of the others differs by row."""
    others = list(dict.fromkeys(_Others(kind, row, hints).expressions()))
    begin = (row - 1) % len(others) if others else 0
    first = ordinary(kind, row)
    return list(dict.fromkeys([*([first] if first else []), *others[begin:], *others[:begin]]))


def _ordinary_text(kind: Type, row: int) -> str | None:
    match kind.base, kind.width:
        case "numeric", (precision, scale):
            return _fitting(precision - scale, row)
        case "bit", (width,):
            return f"{row:0{width}b}"[-width:]
        case "varbit", _:
            return f"{row % 2}"
        case (("vector" | "halfvec"), width):
            return json.dumps([row] * (width or (1,))[0])
    if kind.category == "E":
        return kind.labels[(row - 1) % len(kind.labels)] if kind.labels else None
    written = _BY_TYPE.get(kind.base) or _BY_CATEGORY.get(kind.category)
    text = written and written.format(row=row, truth=str(row % 2 == 1).lower())
    return _long_enough(text, kind, row) if text and kind.base in _TEXTS else text


def _long_enough(text: str, kind: Type, row: int) -> str:
    room = min(kind.length or _LONG, _LONG)
    return text[-room:].ljust(0 if kind.brief or row <= _SHORT_ROWS else room, "x")


def _fitting(digits: int, row: int) -> str:
    """Return a number with at most `digits` digits before the point."""
    return f"700{row}.25" if digits > len("700") else str(row) if digits > 0 else f"0.{'0' * -digits}{row}"


@dataclass(frozen=True)
class _Others:
    """The values for one row that the literals in a column's conditions suggest, and values that conditions often allow."""

    kind: Type
    row: int
    hints: Hints

    def expressions(self) -> Iterator[str]:
        kind = self.kind
        if kind.parts:
            options = [candidates(part, self.row, self.hints) or ["NULL"] for part in kind.parts]
            for values in zip_longest(*options):
                chosen = (value or option[0] for value, option in zip(values, options, strict=True))
                yield kind.of(f"ROW({', '.join(chosen)})")
        elif kind.element:
            elements = candidates(kind.element, self.row, self.hints)
            yield from self._arrays(elements) if kind.category == "A" else self._ranges(elements)
        else:
            by_type = {"bytea": self._bytes, "hstore": self._pairs, "json": self._documents, "jsonb": self._documents}
            by_category = {"B": self._truths, "D": self._days, "E": self._labels, "N": self._numbers, "S": self._texts}
            suggest = by_type.get(kind.base) or by_category.get(kind.category) or self._literals
            yield from map(kind.text, suggest())

    def _arrays(self, elements: list[str]) -> Iterator[str]:
        yield self.kind.text("{}")
        yield from (self.kind.of(f"ARRAY[{element}]") for element in elements[1:])
        for size in self.hints.sizes():
            if elements and size <= _MOST_ELEMENTS:
                yield self.kind.of(f"ARRAY[{', '.join((elements * size)[:size])}]")

    def _ranges(self, elements: list[str]) -> Iterator[str]:
        yield from (self.kind.range(low, high) for low, high in pairwise(elements))
        yield from (self.kind.range(low, "NULL") for low in elements[:1])
        yield self.kind.text("empty")

    def _texts(self) -> Iterator[str]:
        sizes = self.hints.sizes()
        yield from self.hints.texts
        for pattern in self.hints.texts:
            yield from (like(pattern, self.row, size) for size in (2, *sizes))
            examples = (example(pattern, self.row, times) for times in (1, 3, *sizes))
            yield from (text for text in examples if text is not None)
        yield from _SHAPES
        for size in sizes:
            yield from (str(self.row).rjust(size, letter)[-size:] for letter in "aA1")

    def _numbers(self) -> Iterator[str]:
        fractions = not self.kind.base.startswith("int")
        middles = [(low + high) / 2 for low, high in pairwise(self.hints.numbers) if fractions]
        for number in (*self.hints.around(), *middles, self.row, 0):
            yield f"{number:.6f}".rstrip("0").rstrip(".")

    def _days(self) -> Iterator[str]:
        """Yield dates, or times of a day."""
        if self.kind.base in {"time", "timetz"}:
            yield from ("23:00", "00:00")
            return
        for text in self.hints.texts:
            if day := _DAY.fullmatch(text):
                yield text
                yield f"{day[1]}{min(int(day[2]) + self.row, 28):02}{day[3]}"
        yield from (f"{month}-0{self.row}" for month in ("2026-02", "2025-01", "2999-01"))

    def _documents(self) -> Iterator[str]:
        """Yield JSON documents with all texts of the checks as keys, then documents without keys."""
        values: list[object] = [self.row, "v", *self.hints.texts, *self.hints.numbers, True, ["v"], {"n": self.row}]
        if self.hints.texts:
            yield from (json.dumps(dict.fromkeys(self.hints.texts, value)) for value in values)
        yield from ("[]", json.dumps([self.row]), "{}", '"v"', str(self.row), "true")

    def _pairs(self) -> Iterator[str]:
        for value in (str(self.row), *self.hints.texts):
            yield ", ".join(f"{json.dumps(key)}=>{json.dumps(value)}" for key in self.hints.texts)

    def _bytes(self) -> Iterator[str]:
        yield from (f"\\x{f'0{self.row}' * size}" for size in self.hints.sizes())

    def _truths(self) -> Iterator[str]:
        yield from ("true", "false")

    def _labels(self) -> Iterator[str]:
        yield from self.kind.labels

    def _literals(self) -> Iterator[str]:
        yield from self.hints.texts
        yield from (str(int(number)) for number in self.hints.numbers)
        if self.kind.category == "T":
            yield from (f"{self.row} hours", f"{self.row} minutes", f"{self.row} seconds", "0", f"-{self.row} days")
