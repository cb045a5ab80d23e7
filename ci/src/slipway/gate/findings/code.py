"""Statements as Python code for a revision that executes them unchanged."""

import re
from collections.abc import Iterable
from typing import Final

from slipway.gate.names import quoted_parts

# These characters have a meaning in the text of op.execute(): a colon before a word begins a parameter, and drivers
# double percent signs.
_CHANGED_BY_TEXT: Final = re.compile(r"%|(?<![:\w]):\w")
_PARAMETER: Final = re.compile(r"(?<![:\w\\]):(?=\w)")
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")


def names_of(spelled: str) -> list[str]:
    """Return the parts of a name as Postgres reads them: in lower case unless they are quoted."""
    return [part[1:-1].replace('""', '"') if part.startswith('"') else part.lower() for part in quoted_parts(spelled)]


def columns_of(listed: str) -> list[str]:
    """Return the names in a list of columns with commas."""
    return [name for column in listed.split(",") for name in names_of(column.strip())[:1]]


def as_strings(names: Iterable[str]) -> str:
    """Return names as Python strings with commas."""
    return ", ".join(f'"{name}"' for name in names)


def quoted(name: str) -> str:
    """Return a part of a name in SQL, quoted if necessary."""
    return name if _PLAIN.fullmatch(name) else '"{}"'.format(name.replace('"', '""'))


def in_quotes(sql: str) -> str:
    """Return a part of a statement for Python code between triple quotes."""
    return re.sub(r"'(?=''|$)", r"\'", sql.replace("\\", "\\\\"))


def in_text(sql: str) -> str:
    """Return a part of a statement for sqlalchemy.text() between triple quotes."""
    return in_quotes(_PARAMETER.sub(r"\:", sql.replace("%%", "%")))


def as_executed(code: str, sql: str) -> str:
    """Return code with op.execute('''…''') changed so that it executes the SQL exactly as it is."""
    changed = _CHANGED_BY_TEXT.search(sql)
    return re.sub(r"\bop\.execute\((?=f?''')", "op.get_bind().exec_driver_sql(", code) if changed else code
