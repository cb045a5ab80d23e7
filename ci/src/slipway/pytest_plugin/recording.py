"""`pytest --slipway-record=FILE`: the database statements of this release's tests, for the gate of the next one.

Statements of every engine of the process are recorded, each with its first parameters as literals. Changes of the schema and queries of the
catalogs are omitted.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from slipway.gate.measure.literals import with_parameters
from slipway.records.form import from_json, to_json
from slipway.records.gate import Previous, Recorded

_RECORDED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH)\b", re.IGNORECASE)
_CATALOGS = re.compile(r"\b(pg_catalog|information_schema|alembic_version)\b")
_VALUE = re.compile(r"'(?:[^']|'')*'|\bNULL\b")
_REVISIONS = "alembic/runtime/migration.py"  # statements below it come from a revision
_WORKER = "slipway_recorded"


class Recording:
    """Hooks of one process; xdist's workers send their statements to the process that writes the file."""

    def __init__(self, file: Path, root: Path, workeroutput: dict[str, Any] | None) -> None:
        self._file = file
        self._root = root
        self._workeroutput = workeroutput
        self._statements: dict[str, Recorded] = {}  # by the statement with its placeholders
        event.listen(Engine, "before_cursor_execute", self._record)

    def pytest_sessionfinish(self) -> None:
        event.remove(Engine, "before_cursor_execute", self._record)
        recording = to_json(Previous(name="", recorded=tuple(self._statements.values())))
        if self._workeroutput is None:
            self._file.write_text(recording, encoding="utf-8")
        else:
            self._workeroutput[_WORKER] = recording

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Merge the statements of an xdist worker that has ended."""
        recording = getattr(node, "workeroutput", {}).get(_WORKER)
        if recording:
            recorded = from_json(Previous, recording, "a worker's recording").recorded
            self._statements = {_VALUE.sub("?", each.sql): each for each in (*self._statements.values(), *recorded)}

    def _record(
        self, _connection: Connection, _cursor: Any, sql: str, parameters: Any, _context: Any, executemany: Any
    ) -> None:
        if sql in self._statements or not _RECORDED.match(sql) or _CATALOGS.search(sql):
            return
        frames = list(_frames())
        written = with_parameters(sql, parameters[0] if executemany else parameters)
        if written and not any(file.endswith(_REVISIONS) for file, _ in frames):
            self._statements[sql] = Recorded(" ".join(written.split()), self._place(frames))

    def _place(self, frames: Sequence[tuple[str, int]]) -> str:
        """Return the innermost line of the service's own code, which async drivers hide."""
        for file, line in frames:
            path = Path(file)
            if path.is_relative_to(self._root) and not {"site-packages", "tests"}.intersection(path.parts):
                return f"{path.relative_to(self._root)}:{line}"
        return "its tests"


def _frames() -> Iterator[tuple[str, int]]:
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 -- the stack, without reading source files as inspect.stack does
    while frame is not None:
        if frame.f_code.co_filename != __file__:
            yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
