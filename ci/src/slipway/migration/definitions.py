"""Tables and classes that a revision's functions define in metadata outside of the revision.

Defining `class Note(Base)` twice in one process is an error. The gate runs each step several times, and a migration
repeats a step that did not get a lock. So the definitions are forgotten at the end of a step. Definitions in modules
that the step imports for the first time stay, because a later import does not execute them again.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import MetaData, Table, event

_undo: Final[list[Callable[[], object]]] = []  # each function forgets one definition
_mappers: Final[list[Any]] = []  # the ORM's class Mapper, once classes are noted
_running: Final[list[str]] = []  # the file of the revision whose step is running, if any


@contextmanager
def forgotten_definitions(path: str) -> Iterator[None]:
    """Forget the tables and class names that code in the file `path` defines in the block."""
    _note_classes()
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


def _note_classes() -> None:
    """Note classes if the service has imported the ORM: 30 ms for one that does not use it.

    A registry that outlives a step was made before the step, by the ORM.
    """
    orm: Any = sys.modules.get("sqlalchemy.orm")
    if orm and not _mappers:
        event.listen(orm.Mapper, "instrument_class", _note_class)
        _mappers.append(orm.Mapper)


def _note_class(mapper: Any, _class: type) -> None:
    if _is_defined_by_step():  # otherwise relationship("Note") would be ambiguous the next time
        _undo.append(lambda: mapper.registry._dispose_cls(mapper.class_))  # noqa: SLF001 -- the public way disposes of all of a registry


def _is_defined_by_step() -> bool:
    """Return whether code of the running step's file, not of a module that it imports, is making this definition."""
    frame = sys._getframe() if _running else None  # noqa: SLF001 -- the stack, without reading source files
    while frame is not None and frame.f_code.co_name != "<module>":
        if frame.f_code.co_filename == _running[-1]:
            return True
        frame = frame.f_back
    return False
