"""Desired and observed services of these tests, and the engine in front of a simulated account."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.config import Config

from slipway.records.image import Reference
from slipway.records.outcome import Outcome
from slipway.records.plan import Observed, Plan
from slipway.records.progress import Event
from slipway.release.aws.client import Aws, Keys, session_of
from slipway.release.aws.ecr import EcrStore
from slipway.release.engine.engine import Engine
from slipway.release.engine.goal import Live
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.run import reach
from slipway.release.engine.target import Time
from slipway.release.targets.app_runner.spec import AppRunnerSpec, state_of
from slipway.release.targets.app_runner.target import AppRunnerTarget
from tests.release.direct import DirectAccount
from tests.simulator.account import REGION, ROLE, URI, Account, session

DIGEST, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
MUTATING = ("Create", "Update", "Delete", "Put", "Start", "Pause", "Resume", "Tag", "Untag")
SCALING = f"arn:aws:apprunner:{REGION}:123456789012:autoscalingconfiguration/DefaultConfiguration/1/{1:032d}"
_making = threading.Lock()
ARN = "arn:aws:apprunner:eu-west-1:123456789012:service/notes/" + "a" * 32


def spec(digest: str = DIGEST, **changes: Any) -> AppRunnerSpec:
    """A service `notes` in `staging`, asked for its health at /healthz."""
    plain = AppRunnerSpec(
        environment="staging",
        name="notes",
        image=Reference(URI, digest),
        port=8000,
        health_path="/healthz",
        cpu=1024,
        memory=2048,
        access_role=ROLE,
        instance_role=None,
    ).over({})
    return replace(plain, **changes)


def choosing(**changes: str) -> Mapping[str, str]:
    """The fields that settings may leave open, with some changed; `_` is a space in their names."""
    return spec().open | {name.replace("_", " "): value for name, value in changes.items()}


def observed(there: ServiceSpec, status: str = "RUNNING", **changes: Any) -> Observed:
    """Return the observed state of a service that matches a spec."""
    plain = Observed(
        arn=ARN,
        url="notes.example.org",
        status=status,
        digest=there.image.digest,
        fields=there.fields(),
        state=state_of(status),
    )
    return replace(plain, **changes)


def time_of(account: Account) -> Time:
    return Time(account.cloud.clock.now, account.cloud.clock.sleep)


_SESSION = session_of(Keys("simulated", "simulated"), REGION)


class SimulatedAws(Aws):
    """The account as a run reaches it; virtual time does not pass during a call."""

    def __init__(self, account: Account) -> None:
        super().__init__(REGION, account.cloud.url, sleep=account.cloud.clock.sleep)
        self._account = account
        self._clock = account.cloud.clock
        self._clients = account.deployers  # they take a while to make, and their session longer
        self._session = _SESSION

    def _client(self, service: str) -> Any:
        with _making:  # a session is for one thread at a time
            if service not in self._clients:
                config = Config(retries={"total_max_attempts": 1})
                self._clients[service] = session.client(service, endpoint_url=self.endpoint_url, config=config)
            return self._clients[service]

    async def send(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        with self._clock.held():
            if isinstance(self._account, DirectAccount):
                return await self._account.endpoint.send(service, operation, parameters)
            return await super().send(service, operation, parameters)


def aws_of(account: Account) -> Aws:
    return SimulatedAws(account)


def target_of(account: Account, service: str = "notes", aws: Aws | None = None) -> AppRunnerTarget:
    return AppRunnerTarget(aws or aws_of(account), service, time_of(account))


@dataclass
class Deployed:
    """An outcome, the lines of the run, and the requests that reached the account."""

    outcome: Outcome
    told: list[str]
    requests: list[str]

    @property
    def changes(self) -> list[str]:
        """The requests that change the service, without those of the ledger."""
        return [request for request in self.requests if request.startswith(MUTATING) and request.endswith("Service")]


@dataclass
class Telling:
    lines: list[str] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        if event.line:
            self.lines.append(event.line)


async def deployed(account: Account, wanted: ServiceSpec, approved: Plan | None = None) -> Deployed:
    before, telling = len(account.cloud.requests), Telling()
    outcome = await reach(engine_of(account, telling), Live(spec=wanted), approved)
    return Deployed(outcome, telling.lines, account.cloud.requests[before:])


def engine_of(account: Account, tell: Callable[[Event], None], aws: Aws | None = None, **parts: Any) -> Engine:
    """The engine before the account, with its ledger in the repository `notes`."""
    ledger = Ledger(EcrStore(aws or aws_of(account), "notes"), "staging")
    engine = Engine(
        target=target_of(account, aws=aws), ledger=ledger, time=time_of(account), tell=tell, holder="a test"
    )
    return replace(engine, **parts)
