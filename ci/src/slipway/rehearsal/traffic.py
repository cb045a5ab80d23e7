"""A client that never stops asking production, on new and on kept connections, and counts what it gets."""

import time
from collections.abc import Sequence
from functools import partial
from itertools import cycle

import anyio
import httpx
from anyio.abc import TaskGroup

from slipway.records.rehearsal import Traffic

_CLIENTS = 2  # of each kind
_INTERVAL_SECONDS = 0.05  # 20 requests a second each, 80 together
_TIMEOUT_SECONDS = 10.0
_SHOWN = 5


class Clients:
    """Several clients, and what they have seen together."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths or ("/",)
        self._began = self._last = 0.0
        self._requests = 0
        self._longest_gap = 0.0
        self._failures: list[str] = []

    def ask(self, url: str, tasks: TaskGroup) -> None:
        """Begin to ask, until the task group is cancelled."""
        self._began = self._last = time.monotonic()
        for number in range(2 * _CLIENTS):
            tasks.start_soon(partial(self._ask, url, keep=bool(number % 2)))

    def seen(self) -> Traffic:
        seconds = self._last - self._began
        return Traffic(
            requests=self._requests,
            failed=len(self._failures),
            seconds=round(seconds, 3),
            longest_gap=round(self._longest_gap, 3),
            failures=tuple(self._failures[:_SHOWN]),
        )

    async def _ask(self, url: str, *, keep: bool) -> None:
        """Ask again and again; keep the connection, or open one for each request."""
        limits = httpx.Limits(max_keepalive_connections=1 if keep else 0)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=_TIMEOUT_SECONDS) as client:
            due = time.monotonic()
            for path in cycle(self._paths):
                await self._once(client, path)
                due = max(due + _INTERVAL_SECONDS, time.monotonic() - _INTERVAL_SECONDS)
                await anyio.sleep(max(0, due - time.monotonic()))

    async def _once(self, client: httpx.AsyncClient, path: str) -> None:
        try:
            answer = await client.get(path)
        except httpx.HTTPError as error:
            failure = f"{path}: {type(error).__name__} {error}"
        else:
            failure = f"{path}: {answer.status_code}" if answer.is_server_error else ""
        now = time.monotonic()
        self._requests += 1
        if failure:
            self._failures.append(failure)
            return
        self._longest_gap = max(self._longest_gap, now - self._last)
        self._last = now
