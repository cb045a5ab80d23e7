"""simulator: the simulated account alone, until it is interrupted."""

from collections.abc import Callable

import anyio
import anyio.to_thread

from slipway.errors import BadInputError
from slipway.postgres.datadir import cache
from slipway.records.listening import Listening
from slipway.simulator.clock import Clock
from slipway.simulator.cloud import LOGIN, simulated
from slipway.simulator.contract import load
from slipway.workload.host import HostBackend


async def simulate(port: int, speed: float, tell: Callable[[Listening], object]) -> None:
    """Serve until cancelled; `tell` hears where. Raises BadInputError when the port is in use."""
    if not 0 <= port <= 65535:
        raise BadInputError(f"{port} is no port", "allowed is 1 to 65535, or 0 for a free one")
    if not 0 < speed < float("inf"):
        raise BadInputError(f"a clock cannot run {speed:g} times as fast", "give a number above 0")
    async with simulated(lambda url: HostBackend(url, LOGIN, cache()), port=port, clock=Clock(speed)) as cloud:
        tell(Listening(cloud.url))
        await anyio.to_thread.run_sync(load)
        await anyio.sleep_forever()
