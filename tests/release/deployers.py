"""Deployers that can be killed, before a request is sent or before its answer is read; and the live digest, read at the public address."""

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import httpx

from slipway.errors import SlipwayError
from slipway.records.outcome import Outcome, Status
from slipway.records.plan import Plan
from slipway.release.engine.goal import Live
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.run import reach
from slipway.workload.workload import NO_CERTIFICATES
from tests.release.desired import SimulatedAws, Telling, engine_of
from tests.simulator.account import Account

T = TypeVar("T")
EVERY_REQUEST = bool(
    os.environ.get("SLIPWAY_EVERY_REQUEST")
)  # kill before and after each request instead of a selection


class KilledError(BaseException):
    """The end of a process: neither `except Exception` nor a request in a `finally` runs after it."""


@dataclass
class Fate:
    killed: bool = False


@contextmanager
def mortal() -> Iterator[Fate]:
    """A block that may be killed, also in the middle of concurrent tasks."""
    fate = Fate()
    try:
        yield fate
    except* KilledError:
        fate.killed = True


@dataclass(frozen=True)
class Kill:
    """The point of death: request number `index`, from 0, before it is sent, or `done` but its answer not read.

    `of` counts only the requests of one operation, in boto3's spelling. A run that is `cancelled`, as by SIGTERM, may still clean up.
    """

    index: int
    done: bool
    of: str | None = None
    cancelled: bool = False


class Mortal:
    """A client that dies at one of its requests; `operations` are those it sent."""

    def __init__(self, kill: Kill | None) -> None:
        self.kill = kill
        self.operations: list[str] = []
        self._counted = 0
        self.is_dead = False
        self.scope = anyio.CancelScope()  # of the whole run

    async def __call__(self, operation: str, request: Callable[[], Awaitable[T]]) -> T:
        if self.is_dead:
            raise KilledError
        self.operations.append(operation)
        if self.kill and self._dies(operation, self.kill):
            self.is_dead = not self.kill.cancelled
            if self.kill.done:
                with suppress(SlipwayError):  # a refusal is an answer that is not read either
                    await request()
            if self.is_dead:
                raise KilledError
            self.scope.cancel()
            await anyio.lowlevel.checkpoint()
        return await request()

    def _dies(self, operation: str, kill: Kill) -> bool:
        if kill.of not in (None, operation):
            return False
        index, self._counted = self._counted, self._counted + 1
        return index == kill.index


class MortalAws(SimulatedAws):
    """The account as a mortal client reaches it."""

    def __init__(self, account: Account, kill: Kill | None) -> None:
        super().__init__(account)
        self.mortal = Mortal(kill)

    async def once(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        return await self.mortal(operation, partial(super().once, service, operation, **parameters))


@dataclass(frozen=True)
class Ended:
    """The end of a deployer.

    - code: its exit code; None when it was killed. live: the digest at the public address in that moment.
    - operations: the requests it sent. is_written: whether the ledger has the end of its newest deployment.
    """

    code: int | None
    live: str | None
    operations: tuple[str, ...]
    outcome: Outcome | None = None
    told: tuple[str, ...] = ()
    is_written: bool = False


async def run(account: Account, wanted: ServiceSpec, kill: Kill | None = None, approved: Plan | None = None) -> Ended:
    """Deploy as a process does."""
    aws, telling = MortalAws(account, kill), Telling()
    code, outcome = await exit_of(reach(engine_of(account, telling, aws), Live(spec=wanted), approved), telling)
    return Ended(
        code, await live(account), tuple(aws.mortal.operations), outcome, tuple(telling.lines), _has_ended(account)
    )


async def exit_of(running: Awaitable[Outcome], telling: Telling) -> tuple[int | None, Outcome | None]:
    """Return a process's exit code, None when it was killed, and its outcome if it reached one."""
    try:
        outcome = await running
    except SlipwayError as error:
        telling.lines.append(str(error))
        return error.exit_code, None
    except KilledError:
        return None, None
    return outcome.status.exit_code, outcome


def _has_ended(account: Account) -> bool:
    tags = account.cloud.store.repositories["notes"].tags
    numbers = [int(tag.split(".")[2]) for tag in tags if tag.endswith(".intent")]
    return bool(numbers) and f"slipway.staging.{max(numbers)}.release" in tags


async def live(account: Account, name: str = "notes", path: str = "/") -> str | None:
    """Return the digest that answers at a path of the newest service's public address; None when none does."""
    urls = [found.front.address for found in account.cloud.app_runner.services.values() if found.name == name]
    if not urls:
        return None
    with account.cloud.clock.held():
        async with httpx.AsyncClient(timeout=30, trust_env=False, verify=NO_CERTIFICATES) as client:
            try:
                answer = await client.get(f"http://{urls[-1]}{path}")
            except httpx.HTTPError:
                return None
    return answer.text.partition("\n")[0] if answer.is_success else None


def changes(account: Account) -> int:
    """Return how many changes of services the account has accepted."""
    services = account.cloud.app_runner.services.values()
    kinds = ("CREATE_SERVICE", "UPDATE_SERVICE")
    return sum(operation.type in kinds for service in services for operation in service.operations)


def lies(ended: Ended, wanted: ServiceSpec) -> str:
    """Return why an exit code is not the truth; empty when it is."""
    is_live = ended.live == wanted.image.digest
    if ended.code == 0 and not is_live:
        return f"exit 0, and {ended.live} is live instead of {wanted.image.digest}"
    superseded = ended.outcome is not None and ended.outcome.status is Status.SUPERSEDED
    if ended.code not in (0, 3, None) and is_live and not superseded:
        return f"exit {ended.code}, and {ended.live} is live as wanted"
    return ""
