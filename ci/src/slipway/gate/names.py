"""Names of things: as the catalog writes them, as statements and env.py do, and the few of many that a sentence names."""

from collections.abc import Iterable, Sequence
from typing import Final

from slipway.records.proof import Statement

_NAMED: Final = 3


def few(things: Sequence[object]) -> str:
    """The first three, and how many there are besides."""
    more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    return ", ".join(map(str, things[:_NAMED])) + more


def line_of(names: Iterable[str], statements: Iterable[Statement]) -> int | None:
    """The line of the statement that says most of these names; None when none says any."""
    bare = {name.replace('"', "").rpartition(".")[2] for name in names}
    said = [(sum(name in statement.sql for name in bare), statement.line) for statement in statements]
    most, line = max(said, key=lambda each: each[0], default=(0, None))
    return line if most else None


def is_table(qualified: str, spelled: str) -> bool:
    """Whether a name with its schema is the table that is spelled so, with a schema or without; quotes do not matter."""
    name, wanted = qualified.replace('"', ""), spelled.replace('"', "")
    return name == wanted if "." in wanted else bool(wanted) and name.endswith(f".{wanted}")
