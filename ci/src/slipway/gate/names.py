"""Names of things: as the catalog writes them, as statements and env.py do, and the few of many that a sentence names."""

from collections.abc import Sequence
from typing import Final

_NAMED: Final = 3


def few(things: Sequence[object]) -> str:
    """The first three, and how many there are besides."""
    more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    return ", ".join(map(str, things[:_NAMED])) + more


def is_table(qualified: str, spelled: str) -> bool:
    """Whether a name with its schema is the table that is spelled so, with a schema or without; quotes do not matter."""
    name, wanted = qualified.replace('"', ""), spelled.replace('"', "")
    return name == wanted if "." in wanted else bool(wanted) and name.endswith(f".{wanted}")
