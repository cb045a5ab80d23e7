"""Tables and classes that the functions of a revision define in metadata outside of them.

A second `class Note(Base)` is refused in a process. The gate runs each step several times, and a migration repeats one that did not get a lock, so a
step forgets its definitions when it ends. Those of modules that are first imported in the step stay: the next import does not execute them again.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import MetaData, Table, event
from sqlalchemy.orm import Mapper

_undo: Final[list[Callable[[], object]]] = []  # each forgets one definition
_running: Final[list[str]] = []  # the file of the revision whose step runs, if one does


@contextmanager
def forgotten_definitions(path: str) -> Iterator[None]:
    """Forget the tables and the names of classes that the code of the file `path` defines in the block."""
    _running.append(path)
    try:
        yield
    finally:
        _running.pop()
        while _undo:
            _undo.pop()()


@event.listens_for(Table, "after_parent_attach")
def _note_table(table: Table, _metadata: MetaData) -> None:
    if _is_defined_by_step():
        _undo.append(lambda: table.metadata.remove(table))


@event.listens_for(Mapper, "instrument_class")
def _note_class(mapper: Any, _class: type) -> None:
    if _is_defined_by_step():  # otherwise relationship("Note") means two classes the next time
        _undo.append(lambda: mapper.registry._dispose_cls(mapper.class_))  # noqa: SLF001 -- the public way disposes of all of a registry


def _is_defined_by_step() -> bool:
    """Whether code of the running step's file is defining something now, and not a module that it imports."""
    frame = sys._getframe() if _running else None  # noqa: SLF001 -- the stack, without reading source files
    while frame is not None and frame.f_code.co_name != "<module>":
        if frame.f_code.co_filename == _running[-1]:
            return True
        frame = frame.f_back
    return False
