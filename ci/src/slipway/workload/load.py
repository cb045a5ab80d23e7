"""The load of this machine. Limits that only end a hang are longer on a busy machine."""

import os
from typing import Final

_LONGEST: Final = 6.0  # factor of a limit on a free machine


def longer(seconds: float) -> float:
    """Return a limit that is adapted to this machine's present load."""
    return seconds * min(_LONGEST, max(1.0, _load() / _processors()))


def busy() -> str:
    """Return " at a load of 9 on 2 processors", the end of a sentence; an empty text on a free machine."""
    load, processors = _load(), _processors()
    return f" at a load of {load:.0f} on {processors} processors" if load > processors else ""


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
