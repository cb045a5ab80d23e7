"""Seconds of several runs, and the timing of a command."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SLOW_SECONDS = 5
SLOW_RUNS = 3


@dataclass(frozen=True)
class Timing:
    """Seconds of several runs."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        digits = 3 if self.median < 1 else 2
        return f"{self.median:.{digits}f} s ({min(self.seconds):.{digits}f} to {max(self.seconds):.{digits}f})"


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(runs: int, works: Sequence[Callable[[], float]]) -> list[Timing]:
    """Run all of them in turn and return the seconds that each returns.

    A drifting machine affects all alike. A first turn warms up and does not count; a long program has three turns, and the
    first counts.
    """
    first = [work() for work in works]
    counted = [[seconds] if seconds > SLOW_SECONDS else [] for seconds in first]
    turns = [min(runs, SLOW_RUNS) - 1 if seconds else runs for seconds in counted]
    for turn in range(runs):
        for work, seconds, most in zip(works, counted, turns, strict=True):
            if turn < most:
                seconds.append(work())
    return [Timing(tuple(seconds)) for seconds in counted]


def inherited() -> dict[str, str]:
    """Return the environment of timed commands: the present one with bytecode caching on."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def done(
    command: tuple[str, ...], folder: Path, variables: Mapping[str, str] = os.environ, answers: tuple[int, ...] = (0,)
) -> str:
    """Run a command and return its output; raises when it fails."""
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if ended.returncode not in answers:
        sys.exit(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout[-1000:]}{ended.stderr[-3000:]}")
    return ended.stdout


def seconds(command: tuple[str, ...], folder: Path) -> float:
    return timed(lambda: done(command, folder))
