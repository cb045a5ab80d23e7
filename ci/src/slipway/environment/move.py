"""The move of an environment from App Runner to ECS Express Mode: the new service beside the old one, then the traffic by weight.

Each call resumes what an earlier one has begun. The live state decides what remains to be done: the service on ECS, and the weights in
Route 53. The ledger says who shifts the traffic: the newest shift does, so `--back` stops one that goes forward.
"""

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import anyio

from slipway.environment.compared import difference
from slipway.environment.environment import ServiceEnvironment
from slipway.environment.moved import has_stayed, last_shift
from slipway.environment.shifting import Shifting
from slipway.errors import BadInputError, RefusedError
from slipway.records.ledger import Release
from slipway.records.outcome import Diagnosis, Outcome, Status, Verb
from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.records.progress import Event, Tell
from slipway.release.engine.goal import Deleted, Paused, Resumed
from slipway.release.engine.plan import fingerprint
from slipway.release.errors import or_unknown
from slipway.release.move.counterpart import counterpart, keys_after, obstacles
from slipway.release.move.domain import Certified, Domains, Gateway, gateway_of, names_of
from slipway.release.move.records import WHOLE, Destination, NameRecords
from slipway.release.move.shift import STEPS, WATCH_SECONDS
from slipway.release.targets.ecs_express.api import ExpressApi
from slipway.release.targets.ecs_express.spec import arn_of
from slipway.settings import AppRunnerEnvironment
from slipway.settings.app_runner import Left

Resolve = Callable[[str], Awaitable[frozenset[str]]]
_AWAIT_SECONDS = 30 * 60.0
_AWAIT_POLL_SECONDS = 15.0
_AGAIN = "run the same command again"


async def addresses(name: str) -> frozenset[str]:
    """Return the addresses of a name in DNS; none when it has none."""
    try:
        found = await anyio.getaddrinfo(name, 443, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(str(address[0]) for *_, address in found)


def moving(environment: ServiceEnvironment, resolve: Resolve | None = addresses) -> "Move":
    """Return the move of an environment on App Runner; raises SettingsError when its settings do not say to what."""
    new = environment.with_settings(counterpart(environment.settings, environment.name))
    return Move(
        old=environment, new=new, resolve=None if environment.endpoint_url and resolve is addresses else resolve
    )


@dataclass(frozen=True, kw_only=True)
class Move:
    """One environment between its two platforms; `resolve` asks DNS for names that Route 53 of the account does not have."""

    old: ServiceEnvironment
    new: ServiceEnvironment
    resolve: Resolve | None

    @property
    def _api(self) -> ExpressApi:
        return ExpressApi(self.new.aws, arn_of(self.new.settings, self.new.name))

    async def plan(self) -> Plan:
        """Return what a move would change, or every obstacle; changes nothing."""
        live, there = await self.old.status(), await self.new.status()
        found = await self._obstacles(live, there)
        if found or live.digest is None:
            return _blocked(self.old, live, "; ".join(found))
        plan = await self.new.plan(live.digest, Verb.MOVE)
        old, names, _ = await names_of(self.old.aws, str(live.arn))
        gateway = await gateway_of(self._api) if there.state is State.LIVE else None
        shares = [name.percent(old, gateway.destination if gateway else None) or 0 for name in names]
        change = FieldChange("traffic", f"{min(shares)} % on ecs-express", f"{WHOLE} %") if shares else None
        is_done = min(shares, default=0) == WHOLE
        changes = plan.changes if change is None or is_done else (*plan.changes, change)
        action = Action.UPDATE if plan.action is Action.NOOP and changes else plan.action
        return replace(plan, action=action, changes=changes, notes=(*plan.notes, *_steps(names, live)))

    async def plan_back(self) -> Plan:
        """Return what going back would change; changes nothing."""
        live, there = await self.old.status(), await self.new.status()
        plan = _blocked(self.old, live, "")
        if live.state not in (State.LIVE, State.PAUSED):
            return replace(plan, reason=f"{self.old.service} on App Runner is {live.status or 'deleted'}")
        shares = await self._shares(live, there)
        changes = [FieldChange("traffic", f"{max(shares)} % on ecs-express", "0 %")] if any(shares) else []
        changes += [FieldChange("state", live.state.value, State.LIVE.value)] if live.state is State.PAUSED else []
        return replace(plan, action=Action.UPDATE if changes else Action.NOOP, changes=tuple(changes))

    async def plan_finish(self, confirmed: str) -> Plan:
        """Return what the end of the move would change, or why it is too early; changes nothing."""
        self._check_name(confirmed)
        live = await self.old.status()
        goal = (Deleted if confirmed else Paused)(self.old.name, self.old.service)
        try:
            await self._check_finished(live)
        except RefusedError as error:
            return _blocked(self.old, live, str(error))
        return goal.plan(live)

    async def _shares(self, live: Observed, there: Observed) -> list[int]:
        """Return the new side's share of each name, 0 for one that is not weighed."""
        old, names, _ = await names_of(self.old.aws, str(live.arn))
        gateway = await gateway_of(self._api) if there.state in (State.LIVE, State.BUSY) else None
        return [name.percent(old, gateway.destination if gateway else None) or 0 for name in names]

    async def forward(self, tell: Tell) -> Outcome:
        """Make the new service, compare both, and shift the traffic; raises SlipwayError when nothing could be tried."""
        live = await or_unknown(self.old.status())
        there = await or_unknown(self.new.status())
        if found := await or_unknown(self._obstacles(live, there)):
            raise _not_movable(self.old.name, found)
        digest = str(live.digest)
        goal = replace(self.new.live(digest, Verb.MOVE), may_be_older=True)
        made = await self.new.release(goal, self.new.engine(tell))  # one that is live already is left alone
        if made.status.exit_code:
            return made
        there = await or_unknown(self.new.status())
        await self._check_answers(live, there)
        old, names, _ = await or_unknown(names_of(self.old.aws, str(live.arn)))
        gateway = await or_unknown(gateway_of(self._api))
        if not names:
            tell(Event(f"{live.url} is the service's only address: its clients must use {made.url} now"))
            return made
        await self._certified(gateway, tell).answer_for(names)
        if any(name.zone is None for name in names):
            return await self._awaited(made, names, gateway.destination, tell)
        domains = self._domains(live, old, gateway)
        if await domains.percent() == WHOLE and await self._has_shifted():
            return replace(made, verb=Verb.SHIFT, status=Status.NOOP)
        outcome = await self._shifting(domains, gateway, (live, there), tell).run(Verb.SHIFT, made)
        if not outcome.status.exit_code:
            self._say_settings(tell)
        return outcome

    async def back(self, tell: Tell, confirmed: str) -> Outcome:
        """Give the old service all of the traffic again; with its name `confirmed`, delete the new one."""
        self._check_name(confirmed)
        live, there = await or_unknown(self.old.status()), await or_unknown(self.new.status())
        if live.state is State.PAUSED:
            resumed = await self.old.reach(
                self.old.engine(tell), Resumed(self.old.name, self.old.service, self.old.spec_of_live(live))
            )
            if resumed.status.exit_code:
                return resumed
            live = await or_unknown(self.old.status())
        if live.state is not State.LIVE:
            raise RefusedError(
                f"{self.old.service} on App Runner is {live.status or 'deleted'}, so there is nothing to go back to",
                '`slipway rollback` with target = "ecs-express" deploys an earlier release on ECS',
            )
        outcome = await self._back(live, there, tell)
        if outcome.status.exit_code or not confirmed or there.state is State.ABSENT:
            return outcome
        await self._settle(live, tell, to_new=False)
        return await self.new.reach(self.new.engine(tell), Deleted(self.new.name, self.new.service))

    async def finish(self, tell: Tell, confirmed: str) -> Outcome:
        """Pause the old service, which has no traffic any more; with its name `confirmed`, delete it."""
        self._check_name(confirmed)
        live = await or_unknown(self.old.status())
        await self._check_finished(live)
        engine = self.old.engine(tell)
        if not confirmed:
            tell(
                Event(
                    f"{self.old.service} can be resumed with --back until --finish --confirm {self.old.service} deletes it"
                )
            )
            return await self.old.reach(engine, Paused(self.old.name, self.old.service))
        if live.state is not State.ABSENT:
            await self._settle(live, tell, to_new=True)
        self._say_settings(tell)
        return await self.old.reach(engine, Deleted(self.old.name, self.old.service))

    async def _obstacles(self, live: Observed, there: Observed) -> tuple[str, ...]:
        """List every obstacle to a move."""
        heads = await self.old.readiness(live) if live.state is State.LIVE else None
        found = obstacles(self.old.settings, self.old.name, live, heads)
        if live.arn is None or live.state is not State.LIVE:
            return found
        gateway = await gateway_of(self._api) if there.state is State.LIVE else None
        old, names, waiting = await names_of(self.old.aws, live.arn)
        new = gateway.destination if gateway else None
        return (*found, *waiting, *filter(None, (name.problem(old, new) for name in names)))

    async def _check_answers(self, live: Observed, there: Observed) -> None:
        """Raise RefusedError unless the new side answers as the old one does."""
        there_problem = await self.new.smoke_failure(there)
        own = self.old.own_settings
        bodies = not (isinstance(own, AppRunnerEnvironment) and own.move and Left.SAME_ANSWERS in own.move.without)
        problem = there_problem or await difference(self.old, self.new, (live, there), bodies=bodies)
        if problem:
            raise RefusedError(
                f"the traffic of {self.old.name} stays on App Runner: {problem}",
                "mend the new side and run the same command again, or delete it with --back --confirm SERVICE; for bodies that may "
                'differ write without = ["same-answers"] in move',
            )

    def _domains(self, live: Observed, old: Destination, gateway: Gateway) -> Domains:
        return Domains(aws=self.old.aws, time=self.old.time, service=str(live.arn), old=old, new=gateway.destination)

    def _shifting(
        self, domains: Domains, gateway: Gateway, observed: tuple[Observed, Observed], tell: Tell
    ) -> Shifting:
        live, there = observed
        return Shifting(old=self.old, new=self.new, domains=domains, gateway=gateway, live=live, there=there, tell=tell)

    def _certified(self, gateway: Gateway, tell: Tell) -> Certified:
        return Certified(aws=self.new.aws, time=self.new.time, tell=tell, gateway=gateway)

    async def _has_shifted(self) -> bool:
        """Return whether the last shift is over and left the traffic on the new side."""
        last = await last_shift(self.old)
        return isinstance(last, Release) and last.verb is Verb.SHIFT and last.status is Status.SUCCEEDED

    async def _back(self, live: Observed, there: Observed, tell: Tell) -> Outcome:
        old, names, _ = await or_unknown(names_of(self.old.aws, str(live.arn)))
        outcome = self._outcome(Verb.SHIFT_BACK, live, Status.NOOP)
        last = await last_shift(self.old)
        if all(name.percent(old, None) == 0 for name in names) and (last is None or has_stayed(last)):
            if there.state is State.BUSY:
                raise RefusedError(
                    f"{self.new.service} on ECS is being changed, and has no traffic",
                    "end the command that does it; then --back --confirm SERVICE deletes the service",
                )
            return outcome
        if any(name.zone is None for name in names):
            return outcome if there.state is State.ABSENT else await self._awaited(outcome, names, old, tell)
        gateway = await or_unknown(gateway_of(self._api))
        domains = self._domains(live, old, gateway)
        return await self._shifting(domains, gateway, (live, there), tell).run(Verb.SHIFT_BACK, outcome)

    async def _awaited(self, made: Outcome, names: tuple[NameRecords, ...], side: Destination, tell: Tell) -> Outcome:
        """Print the records that another DNS service must have, and wait until it has them."""
        for name in names:
            tell(Event(f"set this record: {name.name} CNAME {side.dns}"))
        until = self.old.time.seconds() + _AWAIT_SECONDS
        while self.resolve and self.old.time.seconds() < until:
            wanted = await self.resolve(side.dns)
            found = [await self.resolve(name.name) for name in names]
            if wanted and all(each and each <= wanted for each in found):
                return made
            await self.old.time.sleep(_AWAIT_POLL_SECONDS)
        shown = ", ".join(f"{name.name} CNAME {side.dns}" for name in names)
        why = Diagnosis("move", f"DNS does not have these records yet: {shown}", (), f"set them and {_AGAIN}")
        return replace(made, status=Status.UNKNOWN, diagnosis=why)

    async def _settle(self, live: Observed, tell: Tell, *, to_new: bool) -> None:
        """Leave one simple record where there were two weighted ones."""
        old, names, _ = await or_unknown(names_of(self.old.aws, str(live.arn)))
        if not any(name.is_weighed for name in names):
            return
        gateway = await or_unknown(gateway_of(self._api))
        side = gateway.destination if to_new else old
        await self._domains(live, old, gateway).settle(side)
        tell(Event(f"{', '.join(name.name for name in names)} leads to {side.dns} alone"))

    async def _check_finished(self, live: Observed) -> None:
        """Raise RefusedError unless the new service has all of the traffic and answers."""
        there = await or_unknown(self.new.status())
        if there.state is not State.LIVE or there.digest is None:
            raise RefusedError(
                f"{self.new.service} on ECS is {there.status or 'absent'}", "finish the move first with `slipway move`"
            )
        if problem := await self.new.smoke_failure(there):
            raise RefusedError(f"the new side does not answer: {problem}", "mend it, or go back with --back")
        if live.state is State.ABSENT or live.arn is None:
            return
        old, names, _ = await or_unknown(names_of(self.old.aws, live.arn))
        new = (await or_unknown(gateway_of(self._api))).destination
        for name in names:
            if name.zone is not None and name.percent(old, new) != WHOLE:
                raise RefusedError(
                    f"{name.name} does not lead to ECS alone", "finish the move first with `slipway move`"
                )

    def _say_settings(self, tell: Tell) -> None:
        tell(
            Event(
                f"[tool.slipway.environments.{self.new.name}] after the move, without `move` and what only App Runner has:\n"
                f"{keys_after(self.new.settings, self.new.name)}"
            )
        )

    def _check_name(self, confirmed: str) -> None:
        if confirmed not in {"", self.old.service}:
            raise BadInputError(
                f"{confirmed!r:.80} is not the service's name",
                f"deletion is permanent; confirm with --confirm {self.old.service}",
            )

    def _outcome(self, verb: Verb, live: Observed, status: Status) -> Outcome:
        return Outcome(
            environment=self.old.name,
            service=self.old.service,
            status=status,
            requested=live.digest or "",
            live=live.digest,
            url=live.url,
            seconds=0.0,
            verb=verb,
        )


def _not_movable(environment: str, found: tuple[str, ...]) -> RefusedError:
    return RefusedError(
        f"{environment} cannot be moved to ECS Express Mode: {'; '.join(found)}",
        "nothing was changed; mend all of it, and run the same command again",
    )


def _blocked(environment: ServiceEnvironment, live: Observed, reason: str) -> Plan:
    return Plan(
        environment=environment.name,
        service=environment.service,
        image=live.fields.get("image", ""),
        action=Action.BLOCKED,
        changes=(),
        fingerprint=fingerprint(live),
        reason=reason,
    )


def _steps(names: tuple[NameRecords, ...], live: Observed) -> tuple[str, ...]:
    """Return what a move does after the new service has been made."""
    both = "both services answer the smoke paths, and the answers are compared"
    if not names:
        return both, f"{live.url} is the only address: no traffic is shifted, its clients must use the new one"
    certificates = f"a certificate for {' and '.join(name.name for name in names)}, if there is none"
    if any(name.zone is None for name in names):
        return (
            both,
            certificates,
            "Route 53 of this account does not have every name: the records are printed and awaited",
        )
    steps = ", ".join(str(step) for step in STEPS)
    return (
        both,
        certificates,
        f"{steps} % of the traffic by weighted records, {WATCH_SECONDS / 60:.0f} minutes each; an error takes all of it back",
    )
