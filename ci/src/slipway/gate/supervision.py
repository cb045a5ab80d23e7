"""The gate in a process of its own, watched by one that executes nothing of the service's.

A revision can kill the process it runs in, or make it run for ever. There is an answer all the same, and nothing is left on the server.
"""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy.engine import URL

from slipway.errors import RefusedError
from slipway.gate.databases import drop_left_over
from slipway.gate.forks import Fork, can_fork
from slipway.migration.answer import answer, refuse


def supervised(file: Path, server: URL, ask: Callable[[], object]) -> int:
    """Write into a file what `ask` answers, or why there is no answer; answers the exit code."""
    if not can_fork():
        return answer(file, ask, server)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    fork = Fork(partial(answer, file, ask, server), "the history", leads=True)
    code = RefusedError.exit_code
    try:
        code = fork.result()
    except RefusedError as error:
        refuse(file, error, server)
    finally:
        fork.stop()
        if code == RefusedError.exit_code:
            drop_left_over(server)
    return code
