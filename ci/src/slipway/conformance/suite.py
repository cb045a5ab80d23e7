"""The suite for App Runner.

It creates three services, a repository and an auto scaling configuration, and deletes them at the end of a run.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio

from slipway.conformance import leftovers
from slipway.conformance.account import PREFIX, AwsAccount, SilentError, masked
from slipway.conformance.behaviours import PROBES, probe_scaling
from slipway.conformance.expectations import Findings, every, subject_of
from slipway.conformance.leftovers import TellLine
from slipway.conformance.registry import probe_repository
from slipway.conformance.service import ProbedService, ProbeImage, inconclusive
from slipway.conformance.walks import BUSY, WALKS, Leg, Walk
from slipway.records.conformance import AWS, Conformance


@dataclass(frozen=True)
class Walker:
    """One service that goes through every state. Every answer is recorded."""

    service: ProbedService
    walk: Walk
    findings: Findings
    tell: TellLine

    async def go(self) -> None:
        """Go from the creation to the last leg. Subjects that are not reached get the reason."""
        assert self.walk.creation.request is not None
        try:
            await self.service.begin(self.walk.creation.request)
        except SilentError as error:
            self._missed(*self.walk.legs, why=inconclusive(error))
            return
        for leg in self.walk.legs:
            await self._visit(leg)

    async def _visit(self, leg: Leg) -> None:
        try:
            status = await self.service.settled()
            self.tell(f"{self.walk.name}: {status}")
            if status != leg.state:
                self._missed(leg, why=f"the service is {status}, expected {leg.state}")
                return
        except SilentError as error:
            self._missed(leg, why=inconclusive(error))
            return
        for call in leg.calls:
            await self._ask(call, leg.state)
        for behaviour in leg.behaviours:
            await self.findings.probe(behaviour, PROBES[behaviour](self.service))
        await self._leave(leg)

    async def _leave(self, leg: Leg) -> None:
        if leg.leave is None:
            return
        if leg.recorded:
            await self._ask(leg.leave.call, leg.state, leg.leave.request)
        else:
            await self._leave_unrecorded(leg)
        for call in leg.leave.meanwhile:
            await self._ask(call, BUSY)

    async def _leave_unrecorded(self, leg: Leg) -> None:
        """Leave a state by a call whose cell another leg records."""
        assert leg.leave is not None
        try:
            outcome = await self.service.outcome(leg.leave.call, leg.leave.request)
        except SilentError as error:
            outcome = str(error)
        if not outcome.startswith("begins"):
            self.tell(f"{self.walk.name}: {leg.leave.call}: {outcome}")

    async def _ask(self, call: str, state: str, *request: Any) -> None:
        """Record a cell if the service is still in the state, because an earlier call may have begun an operation by mistake."""

        async def outcome() -> str:
            status = await self.service.status()
            if status == BUSY != state:
                status = await self.service.settled()
            if status != state:
                raise SilentError(f"the service had become {status}")
            return await self.service.outcome(call, *request)

        await self.findings.probe(subject_of(call, state), outcome())

    def _missed(self, *legs: Leg, why: str) -> None:
        for leg in legs:
            for subject in leg.subjects():
                self.findings.missed(subject, why)


_SETTLING_SECONDS = 5.0  # until the last creation is listed, even when its answer was lost


def new_run() -> str:
    """Return a new id, which marks a run's resources."""
    return secrets.token_hex(3)


async def conform(account: AwsAccount, image: ProbeImage, tell: TellLine, run: str | None = None) -> Conformance:
    """Run the whole suite, delete its resources, and report. Delete them even after a cancellation."""
    run, findings = run or new_run(), Findings(every())
    left: tuple[str, ...] = ()
    began = account.time.now()
    tell(f"every created resource is named {PREFIX}{run}…")
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(probe_repository, account, f"{PREFIX}{run}", run, findings)
            scaling = await probe_scaling(account, f"{PREFIX}{run}", run, findings)
            for walk in WALKS:
                service = ProbedService(account, image, run, walk.name, scaling)
                tasks.start_soon(Walker(service, walk, findings, tell).go)
    finally:
        with anyio.CancelScope(shield=True):
            left = await _clean(account, run, tell)
    return conformance_of(account, image, began, findings, left)


def conformance_of(
    account: AwsAccount, image: ProbeImage, began: datetime, findings: Findings, left: Sequence[str]
) -> Conformance:
    """Return the report of a run that has just ended."""
    return Conformance(
        against="an emulator" if account.foreign_hosts else AWS,
        region=account.region,
        day=began.date().isoformat(),
        botocore=account.botocore,
        image=image.identifier if image.is_public else "an image of a private repository",
        seconds=round((account.time.now() - began).total_seconds(), 1),
        findings=findings.all(),
        left=tuple(masked(line) for line in left),
    )


async def _clean(account: AwsAccount, run: str, tell: TellLine) -> tuple[str, ...]:
    tell("deleting the created resources; a service can be deleted only when no operation is in progress")
    try:
        await account.time.sleep(_SETTLING_SECONDS)
        return await leftovers.clean(account, run, tell)
    except BaseException:  # interrupted again
        tell(f"{PREFIX}{run}… is not completely deleted: --clean-up finds the rest")
        raise
