"""Clients that request production without pause, on new and on kept connections, and count the answers."""

import time
from collections.abc import Sequence
from functools import partial
from itertools import cycle

import anyio
import httpx
from anyio.abc import TaskGroup

from slipway.records.rehearsal import Traffic

_CLIENTS = 2  # of each kind
_INTERVAL_SECONDS = 0.1  # between the requests of one client
_TIMEOUT_SECONDS = 60.0  # a lost connection, not a slow machine
_SHOWN = 5


class Clients:
    """Several clients and their shared counts."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths or ("/",)
        self._started = self._last = 0.0
        self._longest_gap = 0.0
        self._finished = [0] * (2 * _CLIENTS)
        self._failures: list[str] = []
        self._progress = anyio.Event()

    def start(self, url: str, tasks: TaskGroup) -> None:
        """Send requests until the task group is cancelled."""
        self._started = self._last = time.monotonic()
        for number in range(len(self._finished)):
            tasks.start_soon(partial(self._run, number, url))

    async def served(self) -> None:
        """Wait until every client has finished a request that it sent after this call; returns at once before the start."""
        wanted = [finished + 2 for finished in self._finished]  # one may have been on its way already
        while self._started and any(map(int.__lt__, self._finished, wanted)):
            await self._progress.wait()

    def traffic(self) -> Traffic:
        return Traffic(
            requests=sum(self._finished),
            failed=len(self._failures),
            seconds=round(self._last - self._started, 3),
            longest_gap=round(self._longest_gap, 3),
            failures=tuple(self._failures[:_SHOWN]),
        )

    async def _run(self, number: int, url: str) -> None:
        """Send one client's requests; every second client keeps its connection."""
        limits = httpx.Limits(max_keepalive_connections=number % 2)
        async with httpx.AsyncClient(base_url=url, limits=limits, timeout=_TIMEOUT_SECONDS) as client:
            due = time.monotonic()
            for path in cycle(self._paths):
                await self._request(client, path)
                self._finished[number] += 1
                self._progress.set()
                self._progress = anyio.Event()
                due = max(due + _INTERVAL_SECONDS, time.monotonic() - _INTERVAL_SECONDS)
                await anyio.sleep(max(0, due - time.monotonic()))

    async def _request(self, client: httpx.AsyncClient, path: str) -> None:
        try:
            response = await client.get(path)
        except httpx.HTTPError as error:
            self._failures.append(f"{path}: {type(error).__name__} {error}")
            return
        if response.is_server_error:
            self._failures.append(f"{path}: {response.status_code}")
            return
        now = time.monotonic()
        self._longest_gap = max(self._longest_gap, now - self._last)
        self._last = now
