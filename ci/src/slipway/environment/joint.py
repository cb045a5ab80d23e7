"""A joint release: several services of a repository in one environment, callees first, with one outcome.

When one service fails, the services that this release deployed return to their previous releases in reverse order,
unless their settings let them stay. Half of a release would be an untested combination. Every decision is read from the
ledgers, whose records name the release. The same command therefore resumes the deployments, or the way back, of a
killed run.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeGuard

from slipway.environment.called import addresses_of, awaited, comparable, connect
from slipway.environment.environment import ServiceEnvironment
from slipway.environment.opened import NEWEST
from slipway.environment.redeploy import CompatibilityEvidence, plan_take_back, take_back
from slipway.environment.status import status
from slipway.errors import BadInputError, Obstacles, RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.image import Reference
from slipway.records.joint import Fate, JointOutcome, JointPart, JointPlan, JointSituation, ServiceSituation
from slipway.records.ledger import Intent, JointRelease, Release
from slipway.records.outcome import Outcome, Status, Verb
from slipway.records.plan import Action, Plan, State
from slipway.records.progress import Event, Tell
from slipway.records.refusal import Refusal
from slipway.release.engine.plan import check_belongs, check_still_true
from slipway.release.engine.recorded import was_brought
from slipway.settings import Settings, WhenALaterFails, variable_of
from slipway.settings.calls import CallGraph, graph_of, unreachable

Open = Callable[[Settings], Awaitable[ServiceEnvironment]]
_STAYS = 'its settings have when-a-later-fails = "stay"'
_AGAIN = "run the same command again, which rolls it back"
_REPLACED = "another deployment has replaced it"


async def joint_deployment(
    folders: Mapping[str, Settings], environment: str, images: Sequence[str], open_environment: Open
) -> "JointDeployment":
    """Return the joint release of these images, one per service.

    Raise one error that names every image that cannot be deployed.
    """
    if not images:  # Dagger allows an empty list
        raise BadInputError("there are no images to release", "pass --image for each service, or --plan")
    graph, obstacles = graph_of(folders), Obstacles()
    digests: dict[str, str] = {}
    environments: dict[str, ServiceEnvironment] = {}
    for image in images:
        with obstacles.noted():
            repository = Reference.parse(image).repository
            name = repository.partition("/")[2] or repository
            if name not in graph.services:
                known = ", ".join(graph.order)
                raise BadInputError(f"no service of this repository is called {name!r:.80}", f"it has {known}")
            if name in digests:
                raise BadInputError(f"there are two images of {name}", "pass one --image for each service")
            environments[name] = await open_environment(graph.services[name])
            digests[name] = environments[name].digest_of(image)
    for name in digests:
        obstacles.found += unreachable(graph, name, environment)
    obstacles.refuse()
    return JointDeployment(environment=environment, graph=graph, environments=environments, digests=digests)


def images_of(approved: JointPlan, environment: str) -> tuple[str, ...]:
    """Return the images of an approved plan. Raise BadInputError when it is blocked or belongs to another environment."""
    for plan in approved.plans:
        check_belongs(plan, environment, plan.service)
    return tuple(plan.image for plan in approved.plans)


@dataclass(frozen=True, kw_only=True)
class JointDeployment:
    """A joint release that can be planned and run.

    - graph: all services of the repository, including those without an image in the release.
    - environments, digests: those of the release's services.
    - approved: the approved plan, whose changes are the only ones made; None without an approval.
    - reason: why a service may go back without a certificate; empty when a certificate is needed.
    - older: whether newer images may be replaced.
    """

    environment: str
    graph: CallGraph
    environments: Mapping[str, ServiceEnvironment]
    digests: Mapping[str, str]
    approved: JointPlan | None = None
    reason: str = ""
    older: bool = False

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(name for name in self.graph.order if name in self.digests)

    @cached_property
    def release(self) -> JointRelease:
        """The release's name, computed from environment and images, so that the same command finds the records of an earlier run."""
        images = tuple(f"{name}@{self.digests[name]}" for name in self.order)
        return JointRelease(hashlib.sha256("\n".join((self.environment, *images)).encode()).hexdigest()[:12], images)

    @property
    def back(self) -> tuple[str, ...]:
        """The services that go back when a later one fails, in the order in which they do."""
        may = (name for name in self.order if self.graph.services[name].when_a_later_fails is WhenALaterFails.BACK)
        return tuple(reversed(tuple(may)))

    async def plan(self) -> JointPlan:
        """Return the changes of the release. An unknown address of a callee becomes a note."""
        plans = [plan async for _, plan, _ in self.planned()]
        return JointPlan(
            environment=self.environment, id=self.release.id, order=self.order, plans=tuple(plans), back=self.back
        )

    async def run(self, tell: Tell) -> JointOutcome:
        """Deploy all services and return the outcome. Raise SlipwayError when nothing was changed."""
        return await _Run(deployment=self, tell=tell).outcome()

    async def planned(self) -> AsyncIterator[tuple[str, Plan, ServiceEnvironment]]:
        for name in self.order:
            environment = self.environments[name]
            addresses = await addresses_of(environment, self.graph)
            environment, notes = awaited(environment, addresses)
            plan = await environment.plan(self.digests[name])
            plan = replace(plan, notes=(*plan.notes, *notes))
            absent = [each for each in environment.settings.calls if not addresses[variable_of(each)]]
            if left_out := [each for each in absent if each not in self.digests]:
                why = f"it calls {', '.join(left_out)}, which is not deployed and has no --image; pass one"
                plan = replace(plan, action=Action.BLOCKED, reason=why)
            yield name, plan, environment


@dataclass(kw_only=True)
class _Run:
    """One run of a joint release. `parts` are the services whose fate is known."""

    deployment: JointDeployment
    tell: Tell
    parts: dict[str, JointPart] = field(default_factory=dict)
    versions: dict[str, Mapping[str, str]] = field(default_factory=dict)

    async def outcome(self) -> JointOutcome:
        time = next(iter(self.deployment.environments.values())).time
        began = time.seconds()
        if await self._has_failed():
            self.tell(Event("an earlier run of this release failed: finishing its way back"))
        else:
            await self._check()
            await self._forward()
        if any(part.fate is Fate.FAILED for part in self.parts.values()):
            await self._back()
        parts = [await self._seen(name) for name in self.deployment.order]
        return JointOutcome(
            environment=self.deployment.environment,
            id=self.deployment.release.id,
            parts=tuple(parts),
            seconds=time.seconds() - began,
        )

    async def _check(self) -> None:
        """Run every preflight before the first change. Raise RefusedError with all obstacles."""
        obstacles = Obstacles()
        async for name, plan, environment in self.deployment.planned():
            with obstacles.noted():
                observed = await environment.status()
                if observed.state is State.BUSY or not plan.changes:
                    continue
                if plan.action is Action.BLOCKED:
                    raise RefusedError(f"{name} cannot be deployed now", plan.reason)
                if self.deployment.approved:
                    approved = self.deployment.approved.of(plan.image)
                    then, now = (comparable(each, approved, environment.settings.calls) for each in (approved, plan))
                    check_still_true(then, now, observed)
                if not self.deployment.older and (notes := await environment.older(plan.image)):
                    raise RefusedError(f"{name} cannot be deployed now", notes[0])
                self.tell(Event(f"{name}: running the preflight checks"))
                live = environment.live(self.deployment.digests[name])
                self.versions[name] = await environment.prepare(live, self._telling(name), observed)
        if obstacles.found:
            first, *others = obstacles.found
            raise RefusedError(first.what, "; ".join([first.next_step, *map(str, others)]))

    async def _forward(self) -> None:
        """Deploy the services in order, until one fails."""
        for name in self.deployment.order:
            self.tell(Event(f"{name}: {self.deployment.digests[name]}"))
            part = await self._deployed(name)
            self.parts[name] = part
            if not part.is_well:
                return

    async def _deployed(self, name: str) -> JointPart:
        digest = self.deployment.digests[name]
        try:
            environment = await connect(self._environment(name), self.deployment.graph)
            environment = environment.checked(self.versions.get(name))
            outcome = await environment.deploy(digest, self._telling(name), older=self.deployment.older)
        except SlipwayError as error:
            return self._of_error(name, Fate.FAILED, error)
        if outcome.status.exit_code:
            fate = Fate.UNKNOWN if outcome.status is Status.UNKNOWN else Fate.FAILED
            return _part(name, fate, digest, outcome)
        is_ours = outcome.status is not Status.NOOP
        with suppress(SlipwayError):  # an unreadable ledger does not change which release is live
            is_ours = is_ours or await self._brought(name)
        return _part(name, Fate.LIVE if is_ours else Fate.UNCHANGED, digest, outcome)

    async def _back(self) -> None:
        """Roll back the services that this release deployed, the last one first."""
        for name in reversed(self.deployment.order):
            try:
                must = await self._brought(name) or self._goes_back(await self._newest(name))
            except SlipwayError as error:
                if name in self.parts and self.parts[name].fate is Fate.LIVE:
                    self.parts[name] = replace(
                        self.parts[name], fate=Fate.STAYS, why=f"its ledger cannot be read: {error.what}", remedy=_AGAIN
                    )
                continue
            if must:
                self.parts[name] = await self._taken_back(name)

    async def _taken_back(self, name: str) -> JointPart:
        digest = self.deployment.digests[name]
        if name not in self.deployment.back:
            return self._still_failed(name) or JointPart(service=name, fate=Fate.STAYS, requested=digest, why=_STAYS)
        self.tell(Event(f"{name}: going back"))
        try:
            environment = await self._reaching(name)
            outcome = await take_back(
                environment, self._telling(name), CompatibilityEvidence(reason=self.deployment.reason)
            )
        except SlipwayError as error:
            return self._still_failed(name) or self._of_error(name, Fate.STAYS, error)
        if outcome.status is Status.UNKNOWN:
            return _part(name, Fate.UNKNOWN, digest, outcome)
        if outcome.status.exit_code:
            return self._still_failed(name) or _part(name, Fate.STAYS, digest, outcome)
        return self._still_failed(name) or _part(name, Fate.WENT_BACK, digest, outcome)

    def _of_error(self, name: str, fate: Fate, error: SlipwayError) -> JointPart:
        """Return the part of a service whose command raised an error. Its fate is unknown when the outcome is."""
        fate = Fate.UNKNOWN if isinstance(error, UnknownOutcomeError) else fate
        digest = self.deployment.digests[name]
        return JointPart(service=name, fate=fate, requested=digest, why=error.what, remedy=error.next_step)

    def _still_failed(self, name: str) -> JointPart | None:
        """Return the part of a service that failed itself, for example because it is live and does not answer."""
        part = self.parts.get(name)
        return part if part and part.fate is Fate.FAILED else None

    async def _seen(self, name: str) -> JointPart:
        """Return a service's part with its live digest. The part has failed when another deployment replaced the image."""
        digest = self.deployment.digests[name]
        part = self.parts.get(name) or JointPart(service=name, fate=Fate.NOT_TRIED, requested=digest)
        try:
            live = (await self.deployment.environments[name].status()).digest
        except SlipwayError as error:
            if part.is_well:
                return replace(part, fate=Fate.UNKNOWN, why=error.what, remedy=error.next_step)
            return part
        if part.is_well and live != digest:
            return replace(part, fate=Fate.FAILED, live=live, why=_REPLACED, remedy="look at `slipway status --all`")
        if part.fate is Fate.LIVE and any(each.fate is Fate.FAILED for each in self.parts.values()):
            why = "its ledger does not say that this release brought it"
            return replace(part, fate=Fate.STAYS, live=live, why=why, remedy=_AGAIN)
        return replace(part, live=live)

    async def _has_failed(self) -> bool:
        """Return whether an earlier run of this release failed without finishing its way back. Note the failed services."""
        newest = {name: await self._newest(name) for name in self.deployment.order}
        ours = {name: record for name, record in newest.items() if self._is_ours(record)}
        failed = {name: record for name, record in ours.items() if _has_failed(record)}
        began_back = any(record and record.verb is Verb.ROLLBACK for record in ours.values())
        unfinished = any(self._goes_back(record) for record in ours.values())
        if not unfinished and not ((failed or began_back) and await self._may_go_back()):
            return False
        for name, record in failed.items():
            self.parts[name] = JointPart(
                service=name,
                fate=Fate.FAILED,
                requested=self.deployment.digests[name],
                why=record.cause or record.status.value,
                remedy=f"look at it with `slipway diagnose --environment {self.deployment.environment}`",
            )
        if not failed:  # the failure was not recorded, or the record of the service's own way back hides it
            name = self.deployment.order[-1]
            failure = RefusedError(
                "an earlier run of this release failed", "run the same command again for a new deployment"
            )
            self.parts.setdefault(name, self._of_error(name, Fate.FAILED, failure))
        return True

    async def _may_go_back(self) -> bool:
        """Return whether a service that this release brought can still be taken back."""
        evidence = CompatibilityEvidence(reason=self.deployment.reason)
        for name in self.deployment.back:
            if not await self._brought(name):
                continue
            with suppress(SlipwayError):
                plan = await plan_take_back(await self._reaching(name), evidence)
                if plan.action not in (Action.BLOCKED, Action.NOOP):
                    return True
        return False

    async def _newest(self, name: str) -> Release | Intent | None:
        """Return the newest record in a service's ledger: its end, otherwise its intent."""
        records = await self._records(name)
        return records[-1] if records else None

    async def _records(self, name: str) -> Sequence[Release | Intent]:
        ledger = self.deployment.environments[name].ledger
        return await ledger.newest_records(await ledger.contents(), NEWEST)

    def _is_ours(self, record: Release | Intent | None) -> bool:
        joint = record.joint if record else ""
        return (joint.id if isinstance(joint, JointRelease) else joint) == self.deployment.release.id

    async def _brought(self, name: str) -> bool:
        """Return whether this release deployed the live image.

        Refused deployments and rollbacks after it have changed nothing.
        """
        for record in reversed(await self._records(name)):
            if isinstance(record, Release) and record.status is Status.REFUSED:
                continue
            is_deployment = isinstance(record, Release) and record.verb is Verb.DEPLOY and was_brought(record)
            return is_deployment and self._is_ours(record)
        return False

    def _goes_back(self, record: Release | Intent | None) -> bool:
        return isinstance(record, Intent) and record.verb is Verb.ROLLBACK and self._is_ours(record)

    def _environment(self, name: str) -> ServiceEnvironment:
        return self.deployment.environments[name].within(self.deployment.release)

    async def _reaching(self, name: str) -> ServiceEnvironment:
        """Return the environment of a service with the addresses that are known now."""
        environment = self._environment(name)
        addresses = await addresses_of(environment, self.deployment.graph)
        return environment.with_addresses({variable: address for variable, address in addresses.items() if address})

    def _telling(self, name: str) -> Tell:
        return lambda event: self.tell(replace(event, line=event.line and f"{name}: {event.line}"))


def _has_failed(record: Release | Intent | None) -> TypeGuard[Release]:
    return isinstance(record, Release) and record.verb is Verb.DEPLOY and bool(record.status.exit_code)


def _part(name: str, fate: Fate, requested: str, outcome: Outcome) -> JointPart:
    why = outcome.diagnosis.kept if outcome.diagnosis else None
    return JointPart(
        service=name,
        fate=fate,
        requested=requested,
        why=why.cause if why else "",
        remedy=why.remedy if why else "",
        outcome=outcome,
    )


async def joint_status(folders: Mapping[str, Settings], environment: str, open_environment: Open) -> JointSituation:
    """Return the situation of every service in an environment. An unreadable service does not stop the others."""
    graph = graph_of(folders)
    found = []
    for name in graph.order:
        if environment not in graph.services[name].environments:
            continue
        try:
            found.append(ServiceSituation(name, await status(await open_environment(graph.services[name]))))
        except SlipwayError as error:
            found.append(ServiceSituation(name, refusals=Refusal.every(error)))
    if not found:
        raise BadInputError(
            f"no service of this repository is in {environment!r:.60}",
            f"add [tool.slipway.environments.{environment}] to the settings of one service",
        )
    return JointSituation(environment, tuple(found))
