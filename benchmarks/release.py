"""The release engine's own time and calls, on the simulated account, beside those of peers.

The minutes of the platform pass in virtual time; commands for a person are timed in real time.
"""

import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from timing import Timing, inherited

from slipway.environment.redeploy import CompatibilityEvidence, rollback
from slipway.finder.tree import tree_at
from slipway.local.prove import server_binaries
from slipway.rehearsal.commits import Commits
from slipway.rehearsal.local import staged
from slipway.settings import TargetKind, load
from slipway.simulator.app_runner.service import Pace
from slipway.simulator.clock import VirtualClock
from slipway.simulator.cloud import Cloud
from slipway.simulator.faults import Effect, Fault

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the scripted account of the tests


from tests.environment.environments import Place  # noqa: E402
from tests.environment.remembered import remember  # noqa: E402
from tests.release import direct  # noqa: E402
from tests.release.deployers import Kill, run  # noqa: E402
from tests.release.desired import SimulatedAws, deployed, spec  # noqa: E402
from tests.simulator.account import Account, opened  # noqa: E402
from tests.simulator.scripted import Script  # noqa: E402

DEPLOYS = 60
FAULT_SECONDS = 60.0
CALL_SECONDS = 0.09
READS = ("List", "Describe", "Get", "Filter", "Batch")
FOLLOWING = ("ListOperations", "FilterLogEvents")
CHANGES = ("CreateService", "UpdateService", "DeleteService", "PauseService", "ResumeService", "RunTask")
WAITS = {
    "slipway": None,
    # src/action-helper-functions.ts of 2024-05-14: DescribeService, then sleep for the rest of a second
    "awslabs/amazon-app-runner-deploy": math.ceil,
    # retry.StateChangeConf without MinTimeout: 0.1 s, doubled until 10 s
    "Terraform's aws_apprunner_service": lambda seconds: _doubling(seconds, 0.1, 10.0),
}


def release(runs: int) -> Iterator[str]:
    """Print every figure of the release engine."""
    yield from anyio.run(_following)
    yield ""
    yield from anyio.run(_rollbacks)
    yield ""
    yield from anyio.run(_from_the_command_line, runs)
    yield ""
    yield from anyio.run(_faults)


async def _rollbacks() -> list[str]:
    """Roll back among many recorded deployments, when each call of AWS takes CALL_SECONDS of virtual time."""
    rows = [await _rollback(recorded) for recorded in (0, 300, 3000)]
    return [
        f"| rollback, when a call takes {CALL_SECONDS * 1000:.0f} ms | until App Runner's yes | calls until then |",
        "| --- | --- | --- |",
        *rows,
    ]


async def _rollback(recorded: int) -> str:
    async with direct.opened() as account:
        place = Place(account, "staging", "aaa")
        await place.environment.deploy(await place.image("aaa"), place.tell)
        await remember(place, recorded)
        for _ in range(2):
            await place.environment.deploy(await place.image("aaa"), place.tell)
        environment, clock = place.environment, account.cloud.clock
        environment.__dict__["aws"] = _SlowAws(account)
        before, began = len(account.cloud.requests), clock.now()
        answered = []

        async def accepted() -> None:
            answered.append(((clock.now() - began).total_seconds(), len(account.cloud.requests) - before))

        account.cloud.faults.add(Fault(operation="UpdateService", effect=Effect.OVERTAKEN, other=accepted))
        await rollback(environment, place.tell, None, CompatibilityEvidence())
    ((seconds, calls),) = answered
    return f"| among {recorded} recorded deployments | {seconds:.1f} s | {calls} |"


class _SlowAws(SimulatedAws):
    async def send(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        await self._clock.sleep(CALL_SECONDS)
        return await super().send(service, operation, parameters)


@dataclass(frozen=True)
class _Deployed:
    """Virtual seconds of a run and of its operation; calls in all, and while following."""

    whole: float
    operation: float
    calls: int
    following: int


async def _following() -> list[str]:
    """Deploy at the platform's usual pace, one of four rolled back, in virtual time."""
    async with opened(clock=VirtualClock(), pace=Pace()) as account:
        deployments = [await _one(account, healthy=bool(index % 4)) for index in range(DEPLOYS)]
    own = sorted(deployment.whole - deployment.operation for deployment in deployments)
    rate = max(deployment.following / deployment.operation for deployment in deployments)
    operation = statistics.median(deployment.operation for deployment in deployments)
    calls = statistics.median(deployment.calls for deployment in deployments)
    rows = [f"| {name} | {calls if waits is None else waits(operation):.0f} |" for name, waits in WAITS.items()]
    return [
        f"| {DEPLOYS} deployments in virtual time, operations of {operation:.0f} s | |",
        "| --- | --- |",
        f"| our own time on top of the platform's operation | {statistics.median(own):.1f} s, p95 {own[int(len(own) * 0.95)]:.1f} s |",
        f"| calls while following | at most one in {1 / rate:.1f} s |",
        "",
        "| calls of one deployment | |",
        "| --- | --- |",
        *rows,
    ]


async def _one(account: Account, *, healthy: bool) -> _Deployed:
    done = await deployed(account, spec(await account.image(Script(healthy=healthy))))
    (service,) = account.cloud.app_runner.services.values()
    operation = service.operations[-1]
    assert operation.ended is not None
    change = next(index for index, request in enumerate(done.requests) if request in CHANGES[:2])
    following = sum(request in FOLLOWING for request in done.requests[change:])
    seconds = (operation.ended - operation.started).total_seconds()
    return _Deployed(done.outcome.seconds, seconds, len(done.requests), following if healthy else 0)


def _doubling(seconds: float, first: float, most: float) -> int:
    calls, pause = 0, first
    while seconds > 0:
        calls, seconds, pause = calls + 1, seconds - pause, min(2 * pause, most)
    return calls + 1


async def _faults() -> list[str]:
    """Kill deployments at a request and run them again, for a minute."""
    ended, index = 0, 0
    began = time.monotonic()
    while time.monotonic() - began < FAULT_SECONDS:
        async with opened(clock=VirtualClock()) as account:
            await account.create(await account.image())
            wanted = spec(await account.image())
            await run(account, wanted, Kill(index % 40, done=bool(index % 2)))
            again = await run(account, wanted)
            assert again.code == 0, again
        ended, index = ended + 1, index + 1
    return [
        "| deployments that are killed at a request and run again | |",
        "| --- | --- |",
        f"| in a minute | {ended / (time.monotonic() - began) * 60:.0f} |",
    ]


async def _from_the_command_line(runs: int) -> list[str]:
    """Time whole processes, including the interpreter's start; releases are source trees of the reference service."""
    with tempfile.TemporaryDirectory() as workspace:
        folder = Path(workspace)
        async with _account(folder) as stage:
            await stage.slipway("deploy", "--without-start", "--image", stage.good)
            noop = [await stage.slipway("deploy", "--image", stage.good) for _ in range(runs)]
            bad = [await stage.slipway("deploy", "--image", stage.bad, code=1) for _ in range(min(runs, 3))]
            rollback = []
            for _ in range(min(runs, 3)):
                await stage.slipway("deploy", "--without-start", "--image", stage.other)
                rollback.append(await stage.slipway("rollback", "--to", "1", until="UpdateService"))
                await anyio.lowlevel.checkpoint()
    return [
        "| from the command line | wall time | reads | changes |",
        "| --- | --- | --- | --- |",
        _row("deploy what is live already", noop),
        _row("deploy a release that does not become healthy, until the refusal", bad),
        _row("rollback, from the command to App Runner's yes", rollback),
        f"| `slipway simulator`, until it listens | {Timing(tuple(_start() for _ in range(runs)))} | | |",
    ]


@dataclass(frozen=True)
class _Waited:
    seconds: float
    reads: int
    changes: int


def _row(what: str, waited: list[_Waited]) -> str:
    timing = Timing(tuple(run.seconds for run in waited))
    return f"| {what} | {timing} | {max(run.reads for run in waited)} | {max(run.changes for run in waited)} |"


@dataclass(frozen=True)
class _Stage:
    """A simulated account with two good releases and one that does not become healthy."""

    cloud: Cloud
    folder: Path
    good: str
    other: str
    bad: str

    async def slipway(self, *arguments: str, code: int = 0, until: str = "") -> _Waited:
        """Run a command for staging and time it, to its end or to the request `until`."""
        command = [sys.executable, "-m", "slipway.cli", *arguments, "--quiet", "--source", str(self.folder)]
        command += ["--environment", "staging", "--endpoint-url", self.cloud.url]
        before, began = len(self.cloud.requests), time.perf_counter()
        async with anyio.create_task_group() as tasks:
            answered: list[float] = []
            if until:
                tasks.start_soon(self._watch, until, before, answered)
            ended = await anyio.run_process(command, env=inherited(), check=False)
            tasks.cancel_scope.cancel()
        seconds = (answered[0] if answered else time.perf_counter()) - began
        if ended.returncode != code:
            sys.exit(f"{' '.join(arguments)} ended with {ended.returncode}: {ended.stderr.decode()[-2000:]}")
        asked = self.cloud.requests[before:]
        reads = sum(request.startswith(READS) and request != "BatchDeleteImage" for request in asked)
        return _Waited(seconds, reads, sum(request in CHANGES for request in asked))

    async def _watch(self, request: str, before: int, answered: list[float]) -> None:
        while request not in self.cloud.requests[before:]:  # noqa: ASYNC110 -- the account is only read
            await anyio.sleep(0.005)
        answered.append(time.perf_counter())


@asynccontextmanager
async def _account(folder: Path) -> AsyncIterator[_Stage]:
    """Start the rehearsal's stage, with staging's database at its head."""
    commits = await anyio.to_thread.run_sync(Commits.copied, ROOT, folder)
    settings = load(ROOT)
    bad = settings.rehearsal.rolled_back
    assert bad is not None
    postgres = await anyio.to_thread.run_sync(lambda: server_binaries(tree_at(ROOT), settings.migrations))
    async with staged(settings, TargetKind.APP_RUNNER, None, postgres) as stage:
        releases = (commits.head, commits.again(commits.head, "Another"), commits.patched(commits.head, bad))
        images = [await stage.build(release) for release in releases]
        await stage.migrate(images[0], "staging")
        yield _Stage(stage.account.cloud, ROOT, *(image.reference for image in images))


def _start() -> float:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "slipway.cli", "simulator"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=inherited(),
    )
    assert process.stdout is not None
    process.stdout.readline()
    seconds = time.perf_counter() - began
    process.terminate()
    process.wait()
    return seconds
