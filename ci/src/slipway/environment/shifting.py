"""A shift of traffic as a numbered deployment of the ledger.

A newer shift ends an older one, and a killed shift is resumed under its number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from slipway.environment.compared import Way
from slipway.environment.environment import ServiceEnvironment
from slipway.environment.observed import PAUSES
from slipway.environment.webhook import announce
from slipway.errors import SlipwayError
from slipway.records.ledger import Intent, Release
from slipway.records.outcome import Diagnosis, Outcome, Status, Verb
from slipway.records.plan import Observed
from slipway.records.progress import Event, Tell
from slipway.release.engine.ledger import nonce
from slipway.release.engine.plan import hashed
from slipway.release.errors import or_unknown
from slipway.release.move.counted import NOTHING, Counted, Counter, counted, worse
from slipway.release.move.domain import Domains, Gateway
from slipway.release.move.shift import WATCH_SECONDS, Shift

SHIFTS = (Verb.SHIFT, Verb.SHIFT_BACK)
_BALANCING = "AWS/ApplicationELB"


@dataclass(frozen=True, kw_only=True)
class Shifting:
    """One shift between two observed services, the old `live` and the new `there`.

    Forward, both run the same image, and there is a gateway.
    `ways` are the clients' ways to the new side under the service's own names.
    """

    old: ServiceEnvironment
    new: ServiceEnvironment
    domains: Domains
    gateway: Gateway | None
    live: Observed
    there: Observed
    ways: Sequence[Way]
    tell: Tell

    async def run(self, verb: Verb, made: Outcome) -> Outcome:
        """Shift forward or back. Return the outcome `made` with the shift's status, number and duration."""
        began = self.old.time.seconds()
        before = await or_unknown(self._counted_before()) if verb is Verb.SHIFT else NOTHING
        number = await self._claimed(verb)
        shift = Shift(
            traffic=self.domains,
            time=self.old.time,
            tell=self.tell,
            is_newest=partial(self._is_newest, number),
            parted=self._parted,
            problem=partial(self._problem, before),
        )
        end = await (shift.forward() if verb is Verb.SHIFT else shift.back())
        outcome = replace(
            made,
            verb=verb,
            status=end.status,
            number=number,
            operation=None,
            migration=None,
            seconds=self.old.time.seconds() - began,
            diagnosis=Diagnosis(rule="move", cause=end.cause, lines=(), remedy=end.remedy) if end.cause else None,
        )
        await self._record(outcome)
        await announce(self.old, outcome, self.tell, self._holder)
        return outcome

    @property
    def _image(self) -> str:
        return self.live.fields["image"]

    @property
    def _holder(self) -> str:
        return self.old.engine(self.tell).holder

    async def _claimed(self, verb: Verb) -> int:
        """Return the number of this shift: that of a killed run of the same shift, or the next number."""
        ledger = self.old.ledger
        contents = await ledger.contents()
        wanted = hashed(f"{verb.value} {self.old.service} {self.live.digest}")
        newest = await ledger.intent(contents.newest) if contents.newest not in contents.releases else None
        if newest and newest.wanted == wanted:
            return newest.number
        intent = Intent(
            environment=self.old.name,
            number=0,
            image=self._image,
            wanted=wanted,
            fingerprint="",
            holder=self._holder,
            nonce=nonce(),
            verb=verb,
        )
        return (await ledger.claim(intent, contents.newest)).number

    async def _is_newest(self, number: int) -> bool:
        newest = (await self.old.ledger.contents()).newest
        later = [await self.old.ledger.intent(each) for each in range(number + 1, newest + 1)]
        return not any(intent and intent.verb in SHIFTS for intent in later)

    async def _record(self, outcome: Outcome) -> None:
        """Record the end of the shift, unless its outcome is unknown."""
        if outcome.status is Status.UNKNOWN or outcome.number is None:
            return
        release = Release(
            environment=outcome.environment,
            number=outcome.number,
            image=self._image,
            status=outcome.status,
            live=self.live.digest,
            operation=None,
            ended=int(self.old.time.now().timestamp()),
            seconds=outcome.seconds,
            cause=outcome.diagnosis.cause if outcome.diagnosis else "",
            verb=outcome.verb,
            holder=self._holder,
        )
        try:
            await self.old.ledger.end(release)
        except SlipwayError as error:
            self.tell(Event(f"the ledger lacks the end of this shift: {error}"))

    def _counters(self) -> dict[str, Counter]:
        """Return the metrics that count each side's requests."""
        name, identity = self.domains.service.split("/")[-2:]
        assert self.gateway is not None  # the way back is not watched
        balancer = {"LoadBalancer": self.gateway.balancer.partition(":loadbalancer/")[2]}
        groups = [{"TargetGroup": group.rpartition(":")[2]} for group in self.gateway.groups]
        return {
            "old": Counter(
                namespace="AWS/AppRunner",
                metrics={"requests": "Requests", "errors": "5xxStatusResponses"},
                parts=({"ServiceName": name, "ServiceID": identity},),
            ),
            "new": Counter(
                namespace=_BALANCING,
                metrics={"requests": "RequestCountPerTarget", "errors": "HTTPCode_Target_5XX_Count"},
                parts=tuple(balancer | group for group in groups),
            ),
            "balancer": Counter(
                namespace=_BALANCING,
                metrics={
                    "errors": "HTTPCode_ELB_5XX_Count",
                    "handshakes": "ClientTLSNegotiationErrorCount",
                    "unknown": "HTTP_Fixed_Response_Count",
                },
                parts=(balancer,),
            ),
        }

    async def _counted_before(self) -> Counted:
        """Return the load balancer's errors before the first step, over a time as long as one step.

        Reading them also shows whether the steps can be watched. A resumed shift returns none, because the move itself
        may have caused errors.
        """
        now = self.old.time.now().timestamp()
        found = await counted(self.old.aws, self._counters(), now - WATCH_SECONDS, now)
        return NOTHING if await self.domains.percent() else found["balancer"]

    async def _problem(self, before: Counted, since: float) -> str:
        """Return a problem of the new side: a smoke path, also under the service's own names, or clients' errors.

        Otherwise return an empty text.
        """
        if failure := await self._failure():
            return failure
        found = await counted(self.old.aws, self._counters(), since, self.old.time.now().timestamp())
        return worse(found["old"], found["new"], found["balancer"], before)

    async def _failure(self) -> str:
        if problem := await self.new.smoke_failure(self.there):
            return problem
        for way in self.ways:
            if problem := await way.failure(PAUSES):
                return problem
        return ""

    async def _parted(self) -> str:
        """Return why the next step is not allowed: a side runs another image, or the new side does not answer.

        Otherwise return an empty text.
        """
        images = [(each.digest or each.status) for each in (await self.old.status(), await self.new.status())]
        if set(images) != {self.live.digest}:
            return f"the sides no longer run the same image: {' and '.join(map(str, images))}"
        return await self._failure()
