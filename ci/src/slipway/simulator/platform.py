"""The parts of an account that its services share, and the instances that they run."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import anyio
import anyio.abc

from slipway.errors import SlipwayError
from slipway.simulator.clock import Clock
from slipway.simulator.cloudwatch import Metrics
from slipway.simulator.contract import Quotas
from slipway.simulator.iam import Iam
from slipway.simulator.logs import Logs
from slipway.simulator.peers import Peers
from slipway.simulator.registry import ImageStore
from slipway.simulator.resources import Resources
from slipway.simulator.secrets import References
from slipway.workload.process import ProcessWorkload
from slipway.workload.workload import Backend, LaunchSpec, Workload


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The parts of an account that its operations use."""

    clock: Clock
    store: ImageStore
    backend: Backend
    tasks: anyio.abc.TaskGroup
    logs: Logs = field(default_factory=Logs)
    metrics: Metrics = field(default_factory=Metrics)
    references: References = field(default_factory=References)
    iam: Iam = field(default_factory=Iam)
    quotas: Quotas = field(default_factory=Quotas)
    resources: Resources = field(default_factory=Resources)
    peers: Peers = field(default_factory=Peers)


class SimulatedInstance:
    """An instance in a task of its own, with security groups. `on_line` receives its output."""

    def __init__(
        self, platform: Platform, order: LaunchSpec, on_line: Callable[[str], None], groups: Iterable[str] = ()
    ) -> None:
        self.id = uuid.uuid4().hex
        self._platform = platform
        self._groups = frozenset(groups)
        self._order = order
        self._on_line = on_line
        self._stop = anyio.Event()
        self._stopped = anyio.Event()
        self.workload: Workload | None = None
        self.failure: SlipwayError | None = None

    async def run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Start the instance and run it until it is stopped. `failure` is why a release could not start."""
        try:
            async with self._platform.backend.start(self._order, self._on_line) as self.workload:
                session = self.workload.session if isinstance(self.workload, ProcessWorkload) else None
                with self._platform.peers.joined(session, self._groups):
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
