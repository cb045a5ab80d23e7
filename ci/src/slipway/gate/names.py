"""Names of database objects: compared, located in statements, and shortened for sentences."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from slipway.records.proof import Statement

NAME: Final = r"(?:\"[^\"]+\"|\w+)"  # a pattern of one part, as SQL spells it
_NAMED: Final = 3
_PART: Final = re.compile(r'"(?:[^"]|"")*"|[^".]+')


def few(things: Sequence[object]) -> str:
    """Return the first three items, and the number of the others."""
    more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    return ", ".join(map(str, things[:_NAMED])) + more


def line_of(names: Iterable[str], statements: Iterable[Statement]) -> int | None:
    """Return the line of the statement that contains most of these names; None when no statement contains any."""
    bare = {name.replace('"', "").rpartition(".")[2] for name in names}
    matches = [(sum(name in statement.sql for name in bare), statement.line) for statement in statements]
    most, line = max(matches, key=lambda each: each[0], default=(0, None))
    return line if most else None


def is_table(qualified: str, spelled: str) -> bool:
    """Return whether a name with its schema means the same table as a name with or without schema.

    Quotes are ignored.
    """
    name, wanted = qualified.replace('"', ""), spelled.replace('"', "")
    return name == wanted if "." in wanted else bool(wanted) and name.endswith(f".{wanted}")


def quoted_parts(qualified: str) -> list[str]:
    return _PART.findall(qualified)


def parts(qualified: str) -> tuple[str, ...]:
    return tuple(part.strip('"').replace('""', '"') for part in quoted_parts(qualified))
