"""What is desired and observed in these tests, and the engine before a simulated account."""

import functools
from dataclasses import dataclass, field, replace
from typing import Any

from slipway.oci.content import Reference
from slipway.records.outcome import Outcome
from slipway.records.plan import Observed, Plan
from slipway.release.aws import Aws
from slipway.release.deploy import Time, deploy
from slipway.release.spec import ServiceSpec
from slipway.release.target import Event
from slipway.release.targets.app_runner import AppRunner
from tests.simulator.account import REGION, ROLE, URI, Account

DIGEST, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
MUTATING = ("Create", "Update", "Delete", "Put", "Start", "Pause", "Resume", "Tag", "Untag")
ARN = "arn:aws:apprunner:eu-west-1:123456789012:service/notes/" + "a" * 32


def spec(digest: str = DIGEST, **changes: Any) -> ServiceSpec:
    """A service `notes` in `staging`, asked for its health at /healthz."""
    plain = ServiceSpec(
        environment="staging",
        name="notes",
        image=Reference(URI, digest),
        port=8000,
        health_path="/healthz",
        cpu=1024,
        memory=2048,
        access_role=ROLE,
        instance_role=None,
    )
    return replace(plain, **changes)


def observed(there: ServiceSpec, status: str = "RUNNING", **changes: Any) -> Observed:
    """What is observed when a spec is there."""
    return replace(Observed(ARN, "notes.example.org", status, there.image.digest, there.fields()), **changes)


def time_of(account: Account) -> Time:
    return Time(account.cloud.clock.now, account.cloud.clock.sleep)


@functools.cache
def aws_at(url: str) -> Aws:
    """Clients take a while to make."""
    return Aws(REGION, url)


def target_of(account: Account, service: str = "notes", aws: Aws | None = None) -> AppRunner:
    return AppRunner(aws or aws_at(account.cloud.url), service, time_of(account))


@dataclass
class Deployed:
    """An outcome, what was told on the way, and what the account was asked for."""

    outcome: Outcome
    told: list[str]
    requests: list[str]

    @property
    def changes(self) -> list[str]:
        return [request for request in self.requests if request.startswith(MUTATING)]


@dataclass
class Telling:
    lines: list[str] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.lines.append(event.line)


async def deployed(account: Account, wanted: ServiceSpec, approved: Plan | None = None) -> Deployed:
    before, telling = len(account.cloud.requests), Telling()
    outcome = await deploy(target_of(account), wanted, time_of(account), telling, approved)
    return Deployed(outcome, telling.lines, account.cloud.requests[before:])
