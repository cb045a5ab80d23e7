"""The stairway of a long history in several processes, each with its own database.

Further work begins after the last part, while earlier parts may still run.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from slipway.gate.layers.in_parts import in_parts
from slipway.gate.layers.stairway import Stairway, StairwayResult
from slipway.gate.steps import Baseline

T = TypeVar("T")

_COST_OF_THE_MODELS = 0.2  # share of one process's part, measured with benchmarks/gate.py


def climb_all(baseline: Baseline, then: Callable[[StairwayResult], T], *, trace: bool) -> tuple[StairwayResult, T]:
    """Run every step after the baseline, in parallel parts.

    `then` runs after the last part, while others may still run. Raise the errors of `Stairway.climb`.
    """
    old = baseline.old

    def climb(first: int, last: int) -> StairwayResult:
        return Stairway(baseline, old + first, old + last, trace=trace).climb()

    def climb_elsewhere(first: int, last: int) -> StairwayResult:
        return replace(climb(first, last), options={}, migrated=None)  # only this part of the result can be pickled

    count = len(baseline.history.nodes) - old
    with in_parts(count, climb_elsewhere, "a part of the history", more=_COST_OF_THE_MODELS) as (last, earlier):
        end = climb(*last)
        after = then(end)
        results = [*earlier(), end]
    steps = {key: steps for result in results for key, steps in result.steps.items()}
    skipped = tuple(node for result in results for node in result.skipped)
    return replace(end, steps=steps, skipped=skipped), after
