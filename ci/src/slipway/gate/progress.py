"""Progress of a run of the gate: one JSON line on standard error for each revision that a layer begins."""

import os
from contextlib import suppress

from slipway.records.form import to_json
from slipway.records.gate import PROGRESS_MARK, GateProgress
from slipway.records.proof import Layer


class _Process:
    """Whether this process and its forks report their progress."""

    enabled = False


def enable() -> None:
    """Report progress from now on."""
    _Process.enabled = True


def report(layer: Layer, revision: str, of: int) -> None:
    """Report that a layer begins with a revision, one of so many that it examines."""
    if _Process.enabled:
        line = PROGRESS_MARK + to_json(GateProgress(layer=layer, revision=revision, of=of), indent=None)
        with suppress(OSError):  # a revision may have closed it
            os.write(2, line.encode())  # env.py may have replaced sys.stderr; one write keeps lines of forks apart
