"""`pytest --slipway-record=FILE`: record the database statements of this release's tests, which the gate replays for the next release.

Statements of every engine in the process are recorded, each with its first parameters as literals. Changes of the
schema and queries of the catalogs are left out.
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
_REVISIONS = "alembic/runtime/migration.py"  # a statement with this file in its stack belongs to a revision
_WORKER = "slipway_recorded"


class Recording:
    """Hooks of one process. xdist's workers send their statements to the process that writes the file."""

    def __init__(self, file: Path, root: Path, workeroutput: dict[str, Any] | None) -> None:
        self._file = file
        self._root = root
        self._workeroutput = workeroutput
        self._statements: dict[str, Recorded] = {}  # by the statement with placeholders
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
        self, connection: Connection, _cursor: Any, sql: str, parameters: Any, _context: Any, executemany: Any
    ) -> None:
        if sql in self._statements or not _RECORDED.match(sql) or _CATALOGS.search(sql):
            return
        frames = list(_frames())
        written = with_parameters(sql, parameters[0] if executemany else parameters)
        if written and not parameters and connection.dialect.paramstyle in ("format", "pyformat"):
            written = written.replace("%%", "%")
        if written and not any(file.endswith(_REVISIONS) for file, _ in frames):
            self._statements[sql] = Recorded(" ".join(written.split()), self._place(frames))

    def _place(self, frames: Sequence[tuple[str, int]]) -> str:
        """Return the innermost line in the service's own code. Async drivers hide it from the stack."""
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
