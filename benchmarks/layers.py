"""The gate's own time: seconds by layer, and the cost of tracing a statement."""

import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histories import write_project
from peers import SLIPWAY
from timing import Timing, done, timed

SIZES = (100, 500)
TRACED = 200
_STAIRWAY = "stairway and drift"


@dataclass(frozen=True)
class Proven:
    """Seconds of one run of the gate, of each layer, and the traced statements."""

    seconds: float
    layers: dict[str, float]
    statements: int


def layers(runs: int, sizes: Sequence[int]) -> Iterator[str]:
    """Print seconds by layer, then the cost of a traced statement."""
    yield from _by_layer(runs, sizes)
    yield ""
    yield from _of_a_statement(runs)


def _by_layer(runs: int, sizes: Sequence[int]) -> Iterator[str]:
    seen = {}
    with tempfile.TemporaryDirectory() as home:
        for revisions in sizes:
            project = _project(Path(home, str(revisions)), revisions)
            seen[revisions] = [_proven(project) for _ in range(1 + runs)][1:]
    names = list(next(iter(seen.values()))[0].layers)
    yield f"| history | {' | '.join(names)} | the whole process |"
    yield f"| {' | '.join(['---'] * (2 + len(names)))} |"
    for revisions, proofs in seen.items():
        columns = [[proof.layers[name] for proof in proofs] for name in names]
        columns.append([proof.seconds for proof in proofs])
        yield f"| {revisions} revisions | {' | '.join(str(Timing(tuple(column))) for column in columns)} |"


def _of_a_statement(runs: int) -> Iterator[str]:
    """Run one history as all new and as not new at all, in turn.

    On one processor the gate uses one process, so the difference is the cost and not the distribution.
    """
    with tempfile.TemporaryDirectory() as home:
        new = _project(Path(home, "new"), TRACED)
        old = _project(Path(home, "old"), TRACED, start_after=f"{TRACED - 1:012x}")
        pairs = [(_proven(new, one_processor=True), _proven(old, one_processor=True)) for _ in range(1 + runs)][1:]
    statements = pairs[0][0].statements
    yield f"| {TRACED} revisions, {statements} statements, one processor | all new | none new | extra per statement |"
    yield "| --- | --- | --- | --- |"
    yield _compared(f"{_STAIRWAY}: the trace", [_stairways(pair) for pair in pairs], statements)
    yield _compared("the whole process: trace, rows, findings", [_wholes(pair) for pair in pairs], statements)


def _stairways(pair: tuple[Proven, Proven]) -> tuple[float, float]:
    return pair[0].layers[_STAIRWAY], pair[1].layers[_STAIRWAY]


def _wholes(pair: tuple[Proven, Proven]) -> tuple[float, float]:
    return pair[0].seconds, pair[1].seconds


def _compared(name: str, pairs: Sequence[tuple[float, float]], statements: int) -> str:
    with_it, without = (Timing(tuple(column)) for column in zip(*pairs, strict=True))
    extra = [1000 * (more - less) / statements for more, less in pairs]
    return (
        f"| {name} | {with_it} | {without} | {statistics.median(extra):.2f} ms ({min(extra):.2f} to {max(extra):.2f}) |"
    )


def _project(folder: Path, revisions: int, start_after: str | None = None) -> Path:
    write_project(folder, revisions)
    if start_after:
        with (folder / "pyproject.toml").open("a") as settings:
            settings.write(f'\n[tool.slipway.migrations]\nstart-after = "{start_after}"\n')
    return folder


def _proven(project: Path, *, one_processor: bool = False) -> Proven:
    command = (*(_on_one_processor() if one_processor else ()), *SLIPWAY.command, "--json")
    printed: list[str] = []
    seconds = timed(lambda: printed.append(done(command, project, SLIPWAY.variables(None), SLIPWAY.answers)))
    proof: dict[str, Any] = json.loads(printed[0])
    return Proven(seconds, proof["seconds"], sum(len(each["statements"]) for each in proof["revisions"]))


def _on_one_processor() -> tuple[str, ...]:
    """Pin to one processor where that is possible; elsewhere the gate uses one process anyway."""
    if shutil.which("taskset") is None:
        return ()
    return ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))
