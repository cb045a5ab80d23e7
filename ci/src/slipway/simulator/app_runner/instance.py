"""A running instance of a service: started in a task of its own, stopped when told."""

import uuid
from collections.abc import Callable

import anyio
import anyio.abc

from slipway.errors import SlipwayError
from slipway.workload.workload import Backend, LaunchSpec, Workload


class Instance:
    """`on_line` is told each line with the time at which it came."""

    def __init__(self, backend: Backend, order: LaunchSpec, on_line: Callable[[str], None]) -> None:
        self.id = uuid.uuid4().hex
        self._backend = backend
        self._order = order
        self._heard = on_line
        self._stop = anyio.Event()
        self._stopped = anyio.Event()
        self.workload: Workload | None = None
        self.failure: SlipwayError | None = None

    async def run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Start, and stay until stopped. A release that cannot be started is told by `failure`."""
        try:
            async with self._backend.start(self._order, self._heard) as self.workload:
                task_status.started()
                await self._stop.wait()
        except SlipwayError as error:
            self.failure = error
            task_status.started()
        finally:
            self._stopped.set()

    async def stop(self) -> None:
        self._stop.set()
        await self._stopped.wait()
