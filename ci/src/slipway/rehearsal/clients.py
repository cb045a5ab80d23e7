"""The clients that request production during a rehearsal, and the act that judges them."""

import time
from collections.abc import Sequence
from functools import partial
from itertools import cycle

import anyio
import httpx
from anyio.abc import TaskGroup

from slipway.errors import BadInputError
from slipway.records.rehearsal import Act, Traffic
from slipway.simulator.clock import Clock
from slipway.workload.workload import NO_CERTIFICATES

_CLIENTS = 2  # of each kind: new and kept connections
# between the requests of one client; a shorter interval would cost more time than the rest of a rehearsal
_INTERVAL_SECONDS = 0.8
# The same on the platform's clock, which jumps ahead: each minute of a canary with 5 % of the traffic must get a
# request.
_PLATFORM_INTERVAL = 9.0
_TIMEOUT_SECONDS = 60.0  # exceeded only by a lost connection, not by a slow machine
_SHOWN = 5


def act_of_clients(traffic: Traffic) -> Act:
    """Return the act about the clients. Only failures are judged, because the speed depends on the machine."""
    counted = f"{traffic.requests} requests, {traffic.failed} failed"
    if traffic.taken_back:
        counted += f" ({traffic.taken_back} by the release of act IV)"
    return Act(
        name="clients",
        title="clients request production during all acts, on new and on kept connections",
        happened=f"{counted}, longest time without an answer {traffic.longest_gap * 1000:.0f} ms",
        how="HTTP clients",
        passed=traffic.failed == traffic.taken_back,
        seconds=traffic.seconds,
        details=traffic.failures if traffic.failed != traffic.taken_back else (),
    )


class Clients:
    """Several clients with shared counts.

    They also send requests while the platform's clock jumps ahead, so that every minute of a canary gets one.
    """

    def __init__(self, paths: Sequence[str], clock: Clock) -> None:
        self.paths = paths or ("/",)
        self._clock = clock
        self._started = self._last = 0.0
        self._longest_gap = 0.0
        self._finished = [0] * (2 * _CLIENTS)
        self._failures: list[str] = []
        self._taken_back = 0
        self._progress = anyio.Event()
        self._due = anyio.Event()

    @property
    def requests(self) -> int:
        return sum(self._finished)

    @property
    def failed(self) -> int:
        return len(self._failures)

    def expect(self, failed: int) -> None:
        """Attribute `failed` requests to a release that the platform rolled back."""
        self._taken_back += failed

    async def check(self, url: str) -> None:
        """Raise BadInputError for a path that fails before any act, because it would fail in every act."""
        async with _client(url) as client:
            for path in self.paths:
                if failure := await _failure(client, path):
                    raise BadInputError(
                        f"production fails the clients before any act, {failure}",
                        "name paths that it answers in smoke-paths of [tool.slipway]",
                    )

    def start(self, url: str, tasks: TaskGroup) -> None:
        """Send requests until the task group is cancelled."""
        self._started = self._last = time.monotonic()
        tasks.start_soon(self._beat)
        for number in range(len(self._finished)):
            tasks.start_soon(partial(self._run, number, url))

    async def served(self) -> None:
        """Wait until every client has finished a request that it sent after this call. Return at once before `start`."""
        wanted = [finished + 2 for finished in self._finished]  # one request may already be on its way
        while self._started and any(map(int.__lt__, self._finished, wanted)):
            self._wake()
            await self._progress.wait()

    def traffic(self) -> Traffic:
        return Traffic(
            requests=self.requests,
            failed=self.failed,
            taken_back=self._taken_back,
            seconds=round(self._last - self._started, 3),
            longest_gap=round(self._longest_gap, 3),
            failures=tuple(self._failures[:_SHOWN]),
        )

    async def _beat(self) -> None:
        """Wake all clients at regular platform times. The platform's time does not advance by itself."""
        while True:
            await self._clock.idle(_PLATFORM_INTERVAL)
            self._wake()

    def _wake(self) -> None:
        due, self._due = self._due, anyio.Event()
        due.set()

    async def _run(self, number: int, url: str) -> None:
        """Send one client's requests, which take no platform time. Every second client keeps its connection."""
        async with _client(url, kept=number % 2) as client:
            for path in cycle(self.paths):
                with self._clock.held():
                    await self._request(client, path)
                self._finished[number] += 1
                self._progress.set()
                self._progress = anyio.Event()
                with anyio.move_on_after(_INTERVAL_SECONDS):
                    await self._due.wait()

    async def _request(self, client: httpx.AsyncClient, path: str) -> None:
        if failure := await _failure(client, path):
            self._failures.append(failure)
            return
        now = time.monotonic()
        self._longest_gap = max(self._longest_gap, now - self._last)
        self._last = now


def _client(url: str, kept: int = 1) -> httpx.AsyncClient:
    limits = httpx.Limits(max_keepalive_connections=kept)
    return httpx.AsyncClient(base_url=url, limits=limits, timeout=_TIMEOUT_SECONDS, verify=NO_CERTIFICATES)


async def _failure(client: httpx.AsyncClient, path: str) -> str | None:
    """GET a path and return its failure, or None. A status such as 404 counts as an answer of a running service."""
    try:
        response = await client.get(path)
    except httpx.HTTPError as error:
        return f"{path}: {type(error).__name__} {error}"
    return f"{path}: {response.status_code}" if response.is_server_error else None
