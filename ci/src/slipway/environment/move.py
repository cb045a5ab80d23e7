"""The move of an environment from App Runner to ECS Express Mode: first a new service, then the traffic, step by step.

Each call resumes an earlier one. The service on ECS and the weights in Route 53 show what remains to be done. In the
ledger, the newest shift controls the traffic, so `--back` stops a shift that goes forward.
"""

import socket
from dataclasses import dataclass, replace

import anyio

from slipway.environment.compared import difference
from slipway.environment.environment import ServiceEnvironment
from slipway.environment.move_plan import check_name, no_better, nothing_to_go_back_to, obstacles_of, too_early
from slipway.environment.move_sides import Between, Sides
from slipway.environment.moved import has_stayed, last_shift
from slipway.environment.observed import PAUSES
from slipway.environment.shifting import Shifting
from slipway.errors import RefusedError
from slipway.records.ledger import Release
from slipway.records.outcome import Diagnosis, Outcome, Status, Verb
from slipway.records.plan import State
from slipway.records.progress import Event, Tell
from slipway.release.engine.goal import Deleted, Paused, Resumed
from slipway.release.errors import or_unknown
from slipway.release.move.counterpart import counterpart, keys_after, predecessor
from slipway.release.move.domain import Certified
from slipway.release.move.records import WHOLE, Destination
from slipway.settings import AppRunnerEnvironment
from slipway.settings.app_runner import Left

_AWAIT_SECONDS = 30 * 60.0
_AWAIT_POLL_SECONDS = 15.0
_LISTENER_SECONDS = 30.0  # until a load balancer applies a certificate or a rule; usually some seconds
_AGAIN = "run the same command again"


async def addresses(name: str) -> frozenset[str]:
    """Return the IP addresses of a name in DNS; none when the name has none."""
    try:
        found = await anyio.getaddrinfo(name, 443, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(str(address[0]) for *_, address in found)


def moving(environment: ServiceEnvironment, *, has_moved: bool = False) -> "Move":
    """Return the move of an environment. Raise SettingsError when its settings name no destination.

    With `has_moved`, the environment's settings may be those of ECS already.
    """
    settings, name, old, new = environment.settings, environment.name, environment, environment
    if has_moved and not isinstance(environment.own_settings, AppRunnerEnvironment):
        old = environment.with_settings(predecessor(settings, name))
    else:
        new = environment.with_settings(counterpart(settings, name))
    return Move(old=old, new=new, resolve=None if environment.endpoint_url else addresses)


@dataclass(frozen=True, kw_only=True)
class Move(Sides):
    """The commands of a move. Each raises SlipwayError when it could not try anything."""

    async def forward(self, tell: Tell) -> Outcome:
        """Create the new service, compare both, shift the traffic, and print the settings that the environment needs afterwards."""
        between = await or_unknown(self.observed())
        if found := await or_unknown(obstacles_of(self, between)):
            raise RefusedError(
                f"{self.old.name} cannot be moved to ECS Express Mode: {'; '.join(found)}",
                "nothing was changed; correct all of these, and run the same command again",
            )
        goal = replace(self.new.live(str(between.live.digest), Verb.MOVE), may_be_older=True)
        made = await self.new.release(goal, self.new.engine(tell))  # changes nothing when this service is already live
        outcome = made if made.status.exit_code else await self._shifted(made, tell)
        if not outcome.status.exit_code:
            self._say_settings(tell)
        return outcome

    async def back(self, tell: Tell, confirmed: str) -> Outcome:
        """Give all of the traffic back to the old service. If its name is `confirmed`, delete the new service."""
        check_name(self, confirmed)
        between = await or_unknown(self.observed())
        if refused := nothing_to_go_back_to(self, between.live):
            raise refused
        if between.live.state is not State.LIVE:  # the service is paused, or being resumed
            spec = self.old.spec_of_live(between.live)
            resumed = await self.old.reach(self.old.engine(tell), Resumed(self.old.name, self.old.service, spec))
            if resumed.status.exit_code:
                return resumed
            between = await or_unknown(self.observed())
        outcome = await self._back(between, tell, deletes=bool(confirmed))
        if not self._has_own_settings:
            tell(Event(f'[tool.slipway.environments.{self.old.name}] needs target = "app-runner" and its keys again'))
        if outcome.status.exit_code or not confirmed:
            return outcome
        await self._settle(between, between.own.destination, tell)
        return await self.new.reach(self.new.engine(tell), Deleted(self.new.name, self.new.service))

    async def finish(self, tell: Tell, confirmed: str) -> Outcome:
        """Pause the old service, which no longer has traffic. If its name is `confirmed`, delete it instead."""
        check_name(self, confirmed)
        between = await or_unknown(self.observed())
        if refused := await or_unknown(too_early(self, between)):
            raise refused
        names, engine = (self.old.name, self.old.service), self.old.engine(tell)
        if not confirmed:
            deleting = f"--finish --confirm {self.old.service} deletes it"
            tell(Event(f"{self.old.service} can be resumed with --back until {deleting}"))
            return await self.old.reach(engine, Paused(*names))
        if between.live.state is not State.ABSENT:
            await self._settle(between, between.way.destination, tell)
        self._say_settings(tell)
        return await self.old.reach(engine, Deleted(*names))

    async def _shifted(self, made: Outcome, tell: Tell) -> Outcome:
        """Compare both sides, and give the traffic to the new service, whose deployment `made` has ended."""
        between = await or_unknown(self.observed())
        names, way, own = between.own.names, between.way, self.old.own_settings
        bodies = not (isinstance(own, AppRunnerEnvironment) and own.move and Left.SAME_ANSWERS in own.move.without)
        problem = await self.new.smoke_failure(between.there) or await difference(
            self.old_way(between), self.new_way(between), bodies=bodies
        )
        if not problem and names:
            await Certified(aws=self.new.aws, time=self.new.time, tell=tell, gateway=way).answer_for(names)
            problem = await self._named_difference(between, bodies=bodies)
        has_shifted = min(between.shares, default=0) == WHOLE and await self._has_shifted()
        if problem and (has_shifted or not max(between.shares, default=0)):
            where = "ECS" if has_shifted else "App Runner"
            raise RefusedError(
                f"the traffic of {self.old.name} stays on {where}: {problem}",
                "mend the new side and run the same command again, or delete it with --back --confirm SERVICE; for bodies that "
                'may differ write without = ["same-answers"] in move',
            )
        if problem:  # an interrupted shift runs this check, too, and returns the traffic
            tell(Event(problem))
        if not names:
            tell(Event(f"{between.live.url} is the service's only address: its clients must use {made.url} now"))
            return made
        if between.own.foreign:
            return await self._awaited(made, between, way.destination, tell)
        if has_shifted:
            return replace(made, verb=Verb.SHIFT, status=Status.NOOP)
        return await self._shifting(between, tell).run(Verb.SHIFT, made)

    async def _named_difference(self, between: Between, *, bodies: bool) -> str:
        """Return how the sides' answers differ under the service's own names, after the new side's certificates and rules have come into force."""
        problem = ""
        for name in between.own.names:
            for pause in (0.0, *PAUSES, _LISTENER_SECONDS):
                await self.new.time.sleep(pause)
                ways = self.old_way(between, name), self.new_way(between, name)
                if not (problem := await difference(*ways, bodies=bodies)):
                    break
            else:
                return problem
        return ""

    def _shifting(self, between: Between, tell: Tell) -> Shifting:
        live, there, gateway = between.live, between.there, between.gateway
        return Shifting(
            old=self.old,
            new=self.new,
            domains=self.domains(between),
            gateway=gateway,
            live=live,
            there=there,
            ways=[self.new_way(between, name) for name in between.own.names] if gateway else (),
            tell=tell,
        )

    async def _has_shifted(self) -> bool:
        """Return whether the last shift has ended with the traffic on the new side."""
        last = await last_shift(self.old)
        return isinstance(last, Release) and last.verb is Verb.SHIFT and last.status is Status.SUCCEEDED

    async def _back(self, between: Between, tell: Tell, *, deletes: bool) -> Outcome:
        live, there, old = between.live, between.there, between.own.destination
        outcome = Outcome(
            environment=self.old.name,
            service=self.old.service,
            status=Status.NOOP,
            requested=live.digest or "",
            live=live.digest,
            url=live.url,
            seconds=0.0,
            verb=Verb.SHIFT_BACK,
        )
        last = await last_shift(self.old)
        has_all = all(name.percent(old, None) == 0 for name in between.own.names)
        if has_all and (last is None or has_stayed(last)):
            if there.state is State.BUSY and not deletes:
                raise RefusedError(
                    f"{self.new.service} on ECS is being changed, and has no traffic",
                    "end the command that changes it; then --back --confirm SERVICE deletes the service",
                )
            return outcome
        if between.own.foreign and there.state is State.ABSENT:
            return outcome
        if refused := await no_better(self, between):
            raise refused
        if between.own.foreign:
            return await self._awaited(outcome, between, old, tell)
        return await self._shifting(between, tell).run(Verb.SHIFT_BACK, outcome)

    async def _awaited(self, made: Outcome, between: Between, side: Destination, tell: Tell) -> Outcome:
        """Print the records that another DNS service needs, and wait until it has them."""
        names = between.own.names
        for name in names:
            tell(Event(f"set this record: {name.name} CNAME {side.dns}"))
        until = self.old.time.seconds() + _AWAIT_SECONDS
        while (leads := await self.leads(names, side)) is False and self.old.time.seconds() < until:
            await self.old.time.sleep(_AWAIT_POLL_SECONDS)
        if leads:
            return made
        shown = ", ".join(f"{name.name} CNAME {side.dns}" for name in names)
        cause = "DNS does not have these records yet" if leads is False else "DNS was not asked for these records"
        why = Diagnosis(rule="move", cause=f"{cause}: {shown}", lines=(), remedy=f"set them and {_AGAIN}")
        return replace(made, status=Status.UNKNOWN, diagnosis=why)

    async def _settle(self, between: Between, side: Destination, tell: Tell) -> None:
        """Replace two weighted DNS records by one simple record."""
        if changed := await self.domains(between).settle(side):
            tell(Event(f"{', '.join(changed)} leads to {side.dns} alone"))

    @property
    def _has_own_settings(self) -> bool:
        """Whether the settings are still App Runner's."""
        own = self.old.own_settings
        return isinstance(own, AppRunnerEnvironment) and own.move is not None

    def _say_settings(self, tell: Tell) -> None:
        if self._has_own_settings:
            table = f"[tool.slipway.environments.{self.new.name}]"
            keys = keys_after(self.new.settings, self.new.name)
            tell(Event(f"{table} after the move, without `move` and what only App Runner has:\n{keys}"))
