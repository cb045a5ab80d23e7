"""Seconds of several runs, and how a command is timed."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


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


def done(command: tuple[str, ...], folder: Path, variables: Mapping[str, str] = os.environ) -> str:
    """What a command printed; one that fails ends the run, for a figure of a failure is none."""
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout[-1000:]}{ended.stderr[-3000:]}")
    return ended.stdout


def seconds(command: tuple[str, ...], folder: Path) -> float:
    return timed(lambda: done(command, folder))
