"""Whether two spellings of an expression have the same meaning for Postgres.

The planner folds constants, pushes down NOT, and drops casts without effect. Its output is the normal form of an
expression. Defaults are also compared by their values. A volatile default has another value each time, so only its
normal form is compared.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from slipway.gate.measure.session import literal, query

_ERRORS = Exception  # errors of any driver: an expression that cannot be planned or executed here equals no other one
_CONSTANT: Final = re.compile(r"(NULL|true|false|-?[\d.]+|[BX]?'(?:[^']|'')*')(::[^:]*)?")
_CALL: Final = re.compile(r"\b(\w+)\(")
# A text is converted to the column's type in any case.
_TO_TEXT: Final = re.compile(r"::(text|character varying)(?![(\w])")
_DOUBLED: Final = re.compile(r"\((\((?:[^()]|\([^()]*\))*\))\)")
_LIST: Final = re.compile(r"(?<=(?:= ANY|> ALL) \('\{)(?:[^'}]|'')*(?=\}')")
_ITEM: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^,]+')
_LONGEST_PRECISION: Final = re.compile(r"^((?:timestamp|time|interval)\b[^(]*)\(6\)")

_LIMIT: Final = re.compile(r"\(.*\)")
_TEXT: Final = re.compile(r"character varying\((\d+)\)")
_HOLDERS: Final = {
    "smallint": ("integer", "bigint"),
    "integer": ("bigint",),
    "real": ("double precision",),
    "character varying": ("text",),
}


def same_type(one: str, other: str) -> bool:
    """Return whether two type names mean the same type. Six digits are the default precision of a time."""
    return _LONGEST_PRECISION.sub(r"\1", one) == _LONGEST_PRECISION.sub(r"\1", other)


def holds(wide: str, narrow: str) -> bool:
    """Return whether a type accepts every value of another type, and programs read both in the same way."""
    lengths = [int(match[1]) for each in (narrow, wide) if (match := _TEXT.fullmatch(each))]
    if len(lengths) == 2:
        return lengths[0] < lengths[1]
    unlimited = _LIMIT.sub("", narrow)
    return wide in (unlimited, *_HOLDERS.get(unlimited, ())) and wide != narrow


def limits(narrow: str, wide: str) -> bool:
    """Return whether only a limit of its first type, such as a length, keeps values of a column from fitting."""
    return bool(_LIMIT.search(narrow)) and not _LIMIT.search(wide) and holds(wide, narrow)


class Meaning:
    """A comparison of expressions in the database of a DBAPI connection in autocommit mode."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def same_default(self, type_: str, one: str | None, other: str | None) -> bool:
        """Return whether two defaults give a column of this type the same value. A default of NULL equals none."""
        if one == other:
            return True
        try:
            casts = [f"({expression or 'NULL'})::{type_}" for expression in (one, other)]
            planned = self._planned(casts)
            if _without_text(planned[0]) == _without_text(planned[1]):
                return True
            constants = {_CONSTANT.fullmatch(each) is not None for each in planned}
            if len(constants) != 1 or self._is_volatile(planned):
                return False
            as_values = " IS NOT DISTINCT FROM ".join(f"to_jsonb({cast})" for cast in casts)
            return bool(query(self._connection, f"SELECT {as_values}")[0][0])
        except _ERRORS:
            return False

    def same_expression(self, table: str, one: str, other: str) -> bool:
        """Return whether two expressions over a table's columns have the same normal form."""
        if one == other:
            return True
        try:
            planned = self._planned([one, other], f"FROM ONLY {table}")
        except _ERRORS:
            return False
        return _in_order(planned[0]) == _in_order(planned[1])

    def _is_volatile(self, planned: Sequence[str]) -> bool:
        """Return whether equal values would be a coincidence, because of volatile functions or the statement's time."""
        called = ", ".join(literal(name) for each in planned for name in _CALL.findall(each)) or "NULL"
        changing = f"SELECT count(*) FROM pg_proc WHERE proname IN ({called}) AND (provolatile = 'v' OR proname = 'statement_timestamp')"
        return bool(query(self._connection, changing)[0][0])

    def _planned(self, expressions: Sequence[str], source: str = "") -> Sequence[str]:
        listed = ", ".join(f"({expression})" for expression in expressions)
        ((plan,),) = query(self._connection, f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT {listed} {source}")
        output: Sequence[str] = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Output"]
        return output


def _without_text(planned: str) -> str:
    plain, before = _TO_TEXT.sub("", planned), ""
    while plain != before:
        plain, before = _DOUBLED.sub(r"\1", plain), plain
    return plain


def _in_order(planned: str) -> str:
    """Sort the constants in `IN (…)`, whose order has no meaning."""
    return _LIST.sub(lambda match: ",".join(sorted(_ITEM.findall(match[0]))), planned)
