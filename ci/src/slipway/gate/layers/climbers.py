"""A long history is climbed by several processes at once, each on a database of its own.

A climber of a later part first runs the upgrades before it, which costs a fifth of proving them. The processes are forks of this one, so that
the revisions are imported once; the last part is climbed here, where the models are compared afterwards.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from slipway.gate.forks import Fork, processors
from slipway.gate.ground import Ground
from slipway.gate.history import History
from slipway.gate.layers.stairway import Climb, Stairway
from slipway.migration.environment import Environment

T = TypeVar("T")

# Measured with benchmarks/gate.py, in proofs of a revision.
_COST_OF_CATCHING_UP = 0.2
_COST_OF_THE_MODELS = 0.2  # a share of one process's part
_WORTH_A_PROCESS = 20
_MOST_PROCESSES = 4
_PART = "a part of the history"


def climb_all(
    history: History, environment: Environment, ground: Ground, then: Callable[[Climb], T]
) -> tuple[Climb, T]:
    """Climb what comes after the ground, and do `then` with its end while the rest may still be climbed; raises as `Stairway.climb` does."""
    old, count = ground.old, len(history.nodes) - ground.old
    *earlier, (first, last) = [(old + begin, old + end) for begin, end in parts(count, _processes(count))]
    forks = [Fork(partial(_climb, Stairway(history, environment, *part), ground), _PART) for part in earlier]
    try:
        end = Stairway(history, environment, first, last).climb(ground)
        done = then(end)
        climbs = [*(fork.result() for fork in forks), end]
    finally:
        for fork in forks:
            fork.stop()
    steps = {key: steps for climb in climbs for key, steps in climb.steps.items()}
    return replace(end, steps=steps, skipped=tuple(node for climb in climbs for node in climb.skipped)), done


def parts(revisions: int, processes: int) -> list[tuple[int, int]]:
    """Parts of a history that take equally long: the later a part, the more there is to catch up with; the last has the models to build too."""
    bounds = [0.0]
    for process in range(processes):
        more = _COST_OF_THE_MODELS if process == processes - 1 > 0 else 0
        bounds.append(bounds[-1] + max(1 - bounds[-1] * _COST_OF_CATCHING_UP - more, 0))
    cuts = [round(bound * revisions / bounds[-1]) for bound in bounds]
    return list(itertools.pairwise(cuts))


def _processes(revisions: int) -> int:
    return max(1, min(processors(), _MOST_PROCESSES, revisions // _WORTH_A_PROCESS))


def _climb(stairway: Stairway, ground: Ground) -> Climb:
    """What of a climb can be sent from process to process."""
    return replace(stairway.climb(ground), options={}, lines=None)
