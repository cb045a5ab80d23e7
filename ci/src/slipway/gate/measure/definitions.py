"""Tables that the functions of a revision define in metadata outside of them.

alembic runs a step once in a process, and a second `class Note(Base)` is refused there. The gate runs each step several times, so a step forgets its
tables when it ends. Those of modules that are first imported in the step stay: the next import does not execute them again.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import MetaData, Table, event

_defined: Final[list[Table]] = []
_running: Final[list[str]] = []  # the file of the revision whose step runs, if one does


@contextmanager
def forgotten_tables(path: str) -> Iterator[None]:
    """Remove the tables that the code of the file `path` defines in the block from their metadata."""
    _running.append(path)
    try:
        yield
    finally:
        _running.pop()
        for table in _defined:
            table.metadata.remove(table)
        _defined.clear()


@event.listens_for(Table, "after_parent_attach")
def _note(table: Table, _metadata: MetaData) -> None:
    frame = sys._getframe() if _running else None  # noqa: SLF001 -- the stack, without reading source files
    while frame is not None and frame.f_code.co_name != "<module>":
        if frame.f_code.co_filename == _running[-1]:
            _defined.append(table)
            return
        frame = frame.f_back
