"""A walk that is gone: one service led from state to state, asked on the way, and every answer noted."""

from collections.abc import Awaitable, Callable
from typing import Any

from slipway.conformance.account import MISSHAPEN, SilentError
from slipway.conformance.behaviours import LOOKS
from slipway.conformance.expectations import subject_of
from slipway.conformance.findings import Findings
from slipway.conformance.service import Service, unfit
from slipway.conformance.walks import BUSY, Leg, Walk

Tell = Callable[[str], None]


class Walker:
    """`scaling` is the auto scaling configuration of the service, where there is one."""

    def __init__(self, service: Service, walk: Walk, findings: Findings, tell: Tell, scaling: str | None) -> None:
        self._service = service
        self._walk = walk
        self._findings = findings
        self._tell = tell
        self._scaling = scaling

    async def go(self) -> None:
        """From the creation on; what is no longer reached is noted with the reason."""
        assert self._walk.birth.request is not None
        try:
            await self._service.begin(self._walk.birth.request, self._scaling)
        except SilentError as error:
            self._missed(*self._walk.legs, why=unfit(error))
            return
        for leg in self._walk.legs:
            await self._stand(leg)

    async def _stand(self, leg: Leg) -> None:
        try:
            status = await self._service.settled()
            self._tell(f"{self._walk.name}: {status}")
            if status != leg.state:
                self._missed(leg, why=f"the service is {status} where it should be {leg.state}")
                return
        except SilentError as error:
            self._missed(leg, why=unfit(error))
            return
        for call in leg.calls:
            await self._ask(call, leg.state)
        for behaviour in leg.behaviours:
            await self._note(behaviour, LOOKS[behaviour], self._service, self._scaling)
        await self._leave(leg)

    async def _leave(self, leg: Leg) -> None:
        if leg.leave is None:
            return
        if leg.told:
            await self._ask(leg.leave.call, leg.state, leg.leave.request)
        else:
            await self._unnoted(leg)
        for call in leg.leave.meanwhile:
            await self._ask(call, BUSY)

    async def _unnoted(self, leg: Leg) -> None:
        """A way out that is noted elsewhere."""
        assert leg.leave is not None
        try:
            said = await self._service.told(leg.leave.call, leg.leave.request)
        except SilentError as error:
            said = str(error)
        if not said.startswith("begins"):
            self._tell(f"{self._walk.name}: {leg.leave.call}: {said}")

    async def _ask(self, call: str, state: str, *request: Any) -> None:
        """One cell, if the service still is in its state: a call before may have begun what it should not."""

        async def told() -> str:
            status = await self._service.status()
            if status == BUSY != state:
                status = await self._service.settled()
            if status != state:
                raise SilentError(f"the service had come to be {status}")
            return await self._service.told(call, *request)

        await self._note(subject_of(call, state), told)

    async def _note(self, subject: str, look: Callable[..., Awaitable[str]], *given: Any) -> None:
        try:
            self._findings.saw(subject, await look(*given))
        except SilentError as error:
            self._findings.missed(subject, str(error))
        except MISSHAPEN as error:
            self._findings.missed(subject, f"an answer of another shape: {error!r}")

    def _missed(self, *legs: Leg, why: str) -> None:
        for leg in legs:
            for subject in leg.subjects():
                self._findings.missed(subject, why)
