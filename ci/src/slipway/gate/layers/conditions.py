"""Values with which a row meets the conditions in a statement or a partial index, as far as their text shows.

Each comparison of a column with a literal is used, wherever it is. Postgres decides: a planted row that does not match
changes nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from slipway.gate.layers.patterns import example, like
from slipway.gate.measure.session import literal
from slipway.gate.names import NAME

TABLE: Final = rf"(?:{NAME}\.)?{NAME}"
_TEXT: Final = r"'(?:[^']|'')*'"
_VALUE: Final = rf"(?:{_TEXT}|-?\d+(?:\.\d+)?|true\b|false\b)"
_COLUMN: Final = rf"(?:(?P<of>{NAME})\.)?(?P<column>{NAME})"
_WORDS: Final = r"\s+(?:varying|precision|with(?:out)?\s+time\s+zone)"
_CAST: Final = re.compile(
    rf'({_TEXT})|::\s*(?:"[^"]+"|[\w.]+)(?:{_WORDS})?(?:\(\d+(?:,\s*\d+)?\))?(?:\[\])*|\bCAST\(\s*([\w."]+)\s+AS\s+[^()]+\)',
    re.IGNORECASE,
)
# A name or literal in parentheses, or in a function that changes only its case.
_WRAPPED: Final = re.compile(
    rf"(?:(?<![\w)])|\b(?:lower|upper|b?trim))\(\s*({NAME}(?:\.{NAME})?|{_VALUE})\s*\)", re.IGNORECASE
)
_ASSIGNS: Final = re.compile(r"\bSET\b.*?(?=\bFROM\b|\bWHERE\b|\Z)", re.IGNORECASE | re.DOTALL)
_STEP: Final = rf"(?:\s*#?->>?\s*(?:{_TEXT}|\d+))"
_COMPARED: Final = re.compile(
    rf"{_COLUMN}(?P<path>{_STEP}*)\s*"
    rf"(?:(?P<null>IS\s+NULL)|IS\s+(?P<is>TRUE|FALSE)|(?P<exists>IS\s+NOT\s+NULL)"
    rf"|(?P<operator>=|>=|<=|>|<|@>|\?[|&]?|~\*?|!?~~\*?|I?LIKE|IN|BETWEEN|IS\s+NOT\s+DISTINCT\s+FROM)"
    rf"\s*(?:ANY\s*)?\(*\s*(?:ARRAY\s*\[\s*)?(?P<value>{_VALUE}))",
    re.IGNORECASE,
)
_TRUTH: Final = re.compile(
    rf"(?:\A|\b(?:WHERE|AND|ON)\b)[\s(]*(?P<no>NOT\s+)?[\s(]*{_COLUMN}[\s)]*(?=\Z|;|\b(?:AND|OR|GROUP|ORDER|LIMIT|RETURNING)\b)",
    re.IGNORECASE,
)
_OF: Final = re.compile(
    rf"\b(?:FROM|JOIN|UPDATE|USING)\s+(?:ONLY\s+)?(?P<table>{TABLE})(?:\s+(?:AS\s+)?(?!\w+\s*\()(?P<alias>{NAME}))?",
    re.IGNORECASE,
)
_GROUPED: Final = re.compile(
    r"\bGROUP\s+BY\b(?P<columns>.*?)\bHAVING\s+count\s*\([^)]*\)\s*>\s*1\b", re.IGNORECASE | re.DOTALL
)
_NAMES: Final = re.compile(r'"[^"]+"|\w+')


@dataclass(frozen=True, kw_only=True)
class Sought:
    """The rows for which a statement looks.

    - tables: each with its alias.
    - values: by column, with the column's table or alias.
    - equal: the columns that have equal values in two rows.
    """

    tables: frozenset[tuple[str, str]] = frozenset()
    values: Mapping[tuple[str, str], str] = field(default_factory=dict)
    equal: frozenset[str] = frozenset()

    @property
    def is_known(self) -> bool:
        """Return whether anything is known about these rows."""
        return bool(self.values or self.equal)

    def by_table(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield each table with the values of its columns. A column without a table's name may belong to any table."""
        for table, alias in sorted(self.tables):
            names = ("", alias, table.rpartition(".")[2])
            yield table, {column: value for (of, column), value in self.values.items() if of in names}


def sought(sql: str) -> Sought:
    """Return the conditions on rows in a statement whose parameters are spelled out."""
    grouped = _GROUPED.search(sql)
    return Sought(
        tables=frozenset((match["table"], match["alias"] or "") for match in _OF.finditer(sql)),
        values=meeting(_ASSIGNS.sub(" ", sql)),
        equal=frozenset(_NAMES.findall(grouped["columns"])) if grouped else frozenset(),
    )


def meeting(condition: str) -> Mapping[tuple[str, str], str]:
    """Return the values with which a row meets a condition, by column and its table or alias.

    For several values, return the first.
    """
    text, before = condition, ""
    while text != before:
        before, text = text, _WRAPPED.sub(r"\1", _CAST.sub(r"\1\2", text))
    values: dict[tuple[str, str], str] = {}
    documents: dict[tuple[str, str], dict[str, Any]] = {}
    for match in _COMPARED.finditer(text):
        key = (match["of"] or "", match["column"])
        operator = match["operator"] or ""
        if match["path"] or operator.startswith("?") or (operator == "@>" and _is_object(match["value"])):
            _merge(documents.setdefault(key, {}), _document(match))
        elif operator == "@>":  # an array, a range or a JSON array, which contains itself
            is_array = "ARRAY" in match[0].upper()
            values.setdefault(key, f"ARRAY[{match['value']}]" if is_array else match["value"])
        elif value := _value(match):
            values.setdefault(key, value)
    for match in _TRUTH.finditer(text):
        values.setdefault((match["of"] or "", match["column"]), "false" if match["no"] else "true")
    return values | {key: literal(json.dumps(document)) for key, document in documents.items()}


def _value(match: re.Match[str]) -> str:
    """Return the value with which a column meets a comparison; empty when any value meets it."""
    value, operator = match["value"] or "", (match["operator"] or "").upper()
    if match["null"] or match["exists"]:
        return "NULL" if match["null"] else ""
    if not value.startswith("'"):
        return f"{value}{ {'>': ' + 1', '<': ' - 1'}.get(operator, '') }" if value else match["is"]
    text = _text(value)
    if operator.endswith("LIKE") or operator.startswith(("~~", "!")):
        return literal(like(text, 1))
    if operator.startswith("~"):
        return literal(example(text, 1, 1) or text)
    return literal(text[1:-1].split(",")[0].strip('"')) if text[:1] + text[-1:] == "{}" else value


def _document(match: re.Match[str]) -> dict[str, Any]:
    """Return the JSON document in which a path has the compared value; an empty one for NULL."""
    if match["null"]:
        return {}
    leaf: Any = _text(match["value"]) if match["value"] else "x"
    operator = match["operator"] or ""
    keys = [key for step in re.findall(_TEXT, match["path"]) for key in step.strip("'{}").split(",")]
    if operator.startswith("@"):
        leaf = _parsed(leaf)
    elif operator.startswith("?"):
        keys, leaf = [*keys, leaf], {}
    for key in reversed(keys):
        leaf = {key: leaf}
    return leaf if isinstance(leaf, dict) else {}


def _text(value: str) -> str:
    """Return the text of a literal in quotes, or another literal as it is."""
    return value[1:-1].replace("''", "'") if value.startswith("'") else value


def _parsed(text: str) -> Any:
    """Return a JSON value; a text that is no JSON stays a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_object(value: str) -> bool:
    return isinstance(_parsed(_text(value)), dict)


def _merge(document: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(document.get(key), dict) and isinstance(value, dict):
            _merge(document[key], value)
        else:
            document[key] = value
