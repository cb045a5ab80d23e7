"""A long history in parts, each executed in a process of its own.

A process first brings a database to the beginning of its part. This takes a third of the time of executing these
revisions. The processes are forks, so the revisions are imported only once. The last part runs in this process.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from slipway.gate.forks import Fork, processors

T = TypeVar("T")
Part = tuple[int, int]  # the number of the part's first revision, and of the first revision after it

# Measured with benchmarks/gate.py, relative to the work on one revision.
_COST_OF_CATCHING_UP = 0.3
_REVISIONS_PER_PROCESS = 20
_MOST_PROCESSES = 4


@contextmanager
def in_parts(
    revisions: int, work: Callable[[int, int], T], what: str, *, more: float = 0
) -> Iterator[tuple[Part, Callable[[], list[T]]]]:
    """Work on all parts except the last in forks. Yield the last part, and a function for the results of the others.

    `more` is the further work of this process, as a share of one process's part.
    """
    *earlier, last = parts(revisions, _processes(revisions), more)
    forks = [Fork(partial(work, *part), what) for part in earlier]
    try:
        yield last, lambda: [fork.result() for fork in forks]
    finally:
        for fork in forks:
            fork.stop()


def parts(revisions: int, processes: int, more: float = 0) -> list[Part]:
    """Split a history into parts of equal duration.

    A later part has more revisions before it, and the last part's process also does `more`.
    """
    bounds = [0.0]
    for process in range(processes):
        besides = more if process == processes - 1 > 0 else 0
        bounds.append(bounds[-1] + max(1 - bounds[-1] * _COST_OF_CATCHING_UP - besides, 0))
    cuts = [round(bound * revisions / bounds[-1]) for bound in bounds]
    return list(itertools.pairwise(cuts))


def _processes(revisions: int) -> int:
    return max(1, min(processors(), _MOST_PROCESSES, revisions // _REVISIONS_PER_PROCESS))
