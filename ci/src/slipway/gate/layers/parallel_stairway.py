"""The stairway of a long history in several processes, each on its own database.

A process first runs the upgrades before its part, which costs a fifth of proving them. The processes are forks, so the revisions are imported
once; this process executes the last part, after which the models are compared.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from slipway.gate.forks import Fork, processors
from slipway.gate.layers.stairway import Stairway, StairwayResult
from slipway.gate.steps import Baseline

T = TypeVar("T")

# Measured with benchmarks/gate.py; the unit is the proof of one revision.
_COST_OF_CATCHING_UP = 0.2
_COST_OF_THE_MODELS = 0.2  # as a share of one process's part
_REVISIONS_PER_PROCESS = 20
_MOST_PROCESSES = 4


def climb_all(baseline: Baseline, then: Callable[[StairwayResult], T], *, trace: bool) -> tuple[StairwayResult, T]:
    """Run every step after the baseline, and `then` with the last part while others still run; raises as `Stairway.climb`."""
    old, count = baseline.old, len(baseline.history.nodes) - baseline.old
    *earlier, (first, last) = [(old + begin, old + end) for begin, end in parts(count, _processes(count))]
    forks = [Fork(partial(_climb, Stairway(baseline, *part, trace=trace)), "a part of the history") for part in earlier]
    try:
        end = Stairway(baseline, first, last, trace=trace).climb()
        after = then(end)
        results = [*(fork.result() for fork in forks), end]
    finally:
        for fork in forks:
            fork.stop()
    steps = {key: steps for result in results for key, steps in result.steps.items()}
    skipped = tuple(node for result in results for node in result.skipped)
    return replace(end, steps=steps, skipped=skipped), after


def parts(revisions: int, processes: int) -> list[tuple[int, int]]:
    """Split a history into parts of equal time: a later part has more to catch up with, the last one also builds the models."""
    bounds = [0.0]
    for process in range(processes):
        models = _COST_OF_THE_MODELS if process == processes - 1 > 0 else 0
        bounds.append(bounds[-1] + max(1 - bounds[-1] * _COST_OF_CATCHING_UP - models, 0))
    cuts = [round(bound * revisions / bounds[-1]) for bound in bounds]
    return list(itertools.pairwise(cuts))


def _processes(revisions: int) -> int:
    return max(1, min(processors(), _MOST_PROCESSES, revisions // _REVISIONS_PER_PROCESS))


def _climb(stairway: Stairway) -> StairwayResult:
    """Return the part of a result that can be pickled."""
    return replace(stairway.climb(), options={}, migrated=None)
