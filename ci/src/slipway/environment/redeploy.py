"""Deploy a known digest again: one that is live in another environment (promote), or was live here (rollback).

Nothing is built.
Both need a certificate, or a recorded reason to do without one. For a promotion the certificate must show that the
target's live release works on the new release's schema. A rollback does not migrate, so its certificate must show that
the earlier release works on the live schema.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from slipway.environment.environment import ServiceEnvironment, abort
from slipway.environment.observed import ObservedEnvironment
from slipway.environment.opened import NEWEST
from slipway.environment.specification import restored
from slipway.errors import BadInputError, RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.certificate import Certificate
from slipway.records.ledger import Release, Specification
from slipway.records.migration import Readiness
from slipway.records.outcome import Outcome, Verb
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.progress import Event, Tell
from slipway.release.aws.ecr import revision_of
from slipway.release.engine.compatibility import SHORT, Disproof, forward_risk, rollback_risk
from slipway.release.engine.engine import no_op
from slipway.release.engine.late import LateStore
from slipway.release.engine.recorded import (
    digest_of,
    is_rollback,
    live_with,
    named_release,
    release_before,
    was_brought,
)
from slipway.release.engine.target import OperationStatus
from slipway.release.errors import or_unknown
from slipway.release.move.counterpart import carried
from slipway.release.preflight.checks import versions_in
from slipway.release.preflight.named import checks_of_secrets
from slipway.settings import variable_of
from slipway.untrusted import one_line

_FIX = "it would answer errors on this schema, so deploy a fix instead: docs/how-to/roll-back.md, `A hot fix on a newer schema`"
_KEEP_WORKING = "promote a release whose revisions keep the one before working, as in docs/how-to/change-a-column.md"
Judge = Callable[[Readiness, Readiness, Iterable[Certificate]], str | None]


def _unproven(what: str, risk: str, instead: str, older: str | None, newer: str | None) -> RefusedError:
    """Return the refusal of a release on a schema on which it is unproven or proven to fail.

    The text names both commits, if known.
    """
    if isinstance(risk, Disproof):
        return RefusedError(f"{what} fails: {risk}", instead)
    place = f"in a checkout of {newer[:SHORT]}" if newer else "in a checkout of the newer release"
    since = older[:SHORT] if older else "COMMIT_OF_THE_OLDER_RELEASE"
    return RefusedError(
        f"{what} is not proven: {risk}",
        f"prove this pair {place} with `slipway gate --since {since} --report DIR`, and pass --certificate DIR/proof.json, "
        "even if the gate refuses for a reason that does not concern the pair, such as drift; "
        "if it cannot wait, --without-certificate REASON continues without a certificate, and users may get errors",
    )


@dataclass(frozen=True)
class CompatibilityEvidence:
    """A certificate that the caller passes in addition to the ledger's, or the caller's reason to do without one.

    The ledger records the reason.
    """

    certificate: Certificate | None = None
    reason: str = ""

    async def risk(
        self, judge: Judge, wanted: Readiness, live: Readiness, *environments: ObservedEnvironment
    ) -> str | None:
        """Return why a release may fail, judged by passed and recorded certificates; None when one proves that it works.

        Old certificates are read only when the newer ones prove nothing.
        """
        if (risk := judge(wanted, live, ())) is None or wanted.image is None or live.database is None:
            return risk
        passed = (self.certificate,) if self.certificate else ()
        for every in (False, True):
            kept = [each for environment in environments for each in await environment.ledger.certificates(every=every)]
            if (risk := judge(wanted, live, (*kept, *passed))) is None:
                return None
        return risk


@dataclass(frozen=True, kw_only=True)
class Redeployment:
    """A known digest that will be deployed in an environment.

    - notes: facts that a reviewer should consider.
    - risk_of: returns the refusal of a deployment that may break the observed service; None when it is proven to work.
    """

    environment: ServiceEnvironment
    digest: str
    verb: Verb
    evidence: CompatibilityEvidence
    risk_of: Callable[[Observed], Awaitable[RefusedError | None]]
    notes: tuple[str, ...] = ()

    async def plan(self) -> Plan:
        """Return the changes of a run, or why it would be refused. Change nothing."""
        observed = await self.environment.status()
        risk = await self.risk_of(observed)
        plan = await self.environment.plan(self.digest, self.verb, observed)
        plan = replace(plan, notes=(*plan.notes, *self.notes))
        if risk is None or self.evidence.reason or not plan.changes or plan.action is Action.BLOCKED:
            return plan
        return replace(plan, action=Action.BLOCKED, reason=str(risk))

    async def run(self, tell: Tell) -> Outcome:
        """Deploy the digest. Refuse a risk without a reason, and report each risk once."""
        reported = set[str]()

        async def permit(observed: Observed) -> str | None:
            risk = await self.risk_of(observed)
            if risk is None:
                return None
            if not self.evidence.reason:
                raise risk
            if risk.what not in reported:
                tell(Event(f"{risk.what}; proceeding because: {one_line(self.evidence.reason)}"))
            reported.add(risk.what)
            return self.evidence.reason

        engine = self.environment.engine(tell, permit, self.evidence.certificate, self.evidence.reason)
        for note in self.notes:
            tell(Event(note))
        return await self.environment.release(self.environment.live(self.digest, self.verb), engine)


async def plan_promotion(
    source: ServiceEnvironment, target: ServiceEnvironment, evidence: CompatibilityEvidence | None = None
) -> Plan:
    """Return the changes of a promotion, or why it would be refused. Change nothing."""
    return await (await _promotion(source, target, evidence)).plan()


async def promote(
    source: ServiceEnvironment, target: ServiceEnvironment, tell: Tell, evidence: CompatibilityEvidence | None = None
) -> Outcome:
    """Promote and return the outcome. Raise SlipwayError when the run cannot start."""
    return await (await or_unknown(_promotion(source, target, evidence))).run(tell)


async def _promotion(
    source: ServiceEnvironment, target: ServiceEnvironment, evidence: CompatibilityEvidence | None
) -> Redeployment:
    if source.name == target.name:
        raise BadInputError(f"{source.name} cannot be promoted to itself", "name another environment with --to")
    evidence = evidence or CompatibilityEvidence()
    promoted = await live_in(source)
    assert promoted.digest is not None
    heads = await source.known_heads(promoted)

    async def risk_of(observed: Observed) -> RefusedError | None:
        if observed.digest is None:  # there is no live release that a new schema could break
            return None
        live = await target.known_heads(observed)
        if (risk := await evidence.risk(forward_risk, heads, live, source, target)) is None:
            return None
        commits = await _commit(target, observed.digest, live), await _commit(source, promoted.digest, heads)
        return _unproven(f"the promotion from {source.name} to {target.name}", risk, _KEEP_WORKING, *commits)

    return Redeployment(
        environment=target, digest=promoted.digest, verb=Verb.PROMOTE, evidence=evidence, risk_of=risk_of
    )


async def _commit(environment: ObservedEnvironment, digest: str | None, known: Readiness) -> str | None:
    """Return a release's commit, from its own report or from its image; None when both lack it."""
    if known.commit or digest is None:
        return known.commit
    with suppress(SlipwayError):
        if commit := await revision_of(environment.aws, environment.settings.name, digest):
            return one_line(commit, 64)
    return None


async def live_in(environment: ObservedEnvironment) -> Observed:
    """Return the live, healthy release of an environment. Raise RefusedError when there is none to promote."""
    observed = await environment.status()
    if observed.state is not State.LIVE or observed.digest is None:
        raise RefusedError(
            f"nothing that could be promoted is live in {environment.name}",
            f"its state is {observed.status or 'absent'}; deploy a release there with `slipway deploy`, or resume a paused one with `slipway resume`",
        )
    if problem := await environment.smoke_failure(observed):
        raise RefusedError(
            problem,
            f"a release must answer before it is promoted; `slipway status --environment {environment.name}` has the way out",
        )
    return observed


async def plan_rollback(
    environment: ServiceEnvironment,
    to: int | None,
    evidence: CompatibilityEvidence | None = None,
    *,
    image_only: bool = False,
) -> Plan:
    """Return the changes of a rollback, or why it would be refused. Change nothing."""
    number = await _in_flight(environment) if to is None else None
    note = _taken_back(number, image_only=image_only) if number else ""
    back = await destination(environment, to)
    redeployment = _rollback(environment, back, evidence, image_only=image_only)
    changed = await _changed_secrets(redeployment.environment, back)
    plan = await replace(redeployment, notes=(*redeployment.notes, *changed)).plan()
    return replace(plan, action=Action.UPDATE, reason="", notes=(*plan.notes, note)) if note else plan


async def rollback(
    environment: ServiceEnvironment,
    tell: Tell,
    to: int | None,
    evidence: CompatibilityEvidence,
    *,
    image_only: bool = False,
) -> Outcome:
    """Roll back and return the outcome. Raise SlipwayError when the run cannot start.

    The release gets the settings with which it was deployed. With `image_only` it gets the environment's current
    settings.
    """
    if to is None and (number := await or_unknown(_in_flight(environment))):
        tell(Event(_taken_back(number, image_only=image_only)))
        return await abort(environment, tell)
    back = await or_unknown(destination(environment, to))
    tell(Event(f"back to {back.release}"))
    return await _rollback(environment, back, evidence, image_only=image_only).run(tell)


def _taken_back(number: int, *, image_only: bool) -> str:
    """Return how a deployment in flight is rolled back.

    Raise BadInputError for --image-only, which the platform cannot do then.
    """
    if image_only:
        raise BadInputError(
            f"deployment {number} is in flight, and the platform takes back its settings together with its image",
            "leave out --image-only, or pass --to NUMBER as well when the deployment has ended",
        )
    return f"deployment {number} is in flight: it is rolled back, as `slipway abort` does, which needs no certificate"


async def _in_flight(environment: ServiceEnvironment) -> int | None:
    """Return the number of a deployment in flight that the platform can roll back.

    Return None without one, or while a rollback runs.
    """
    if Verb.ABORT in environment.target.impossible:
        return None
    history = await environment.history()
    number = history.newest
    if number not in history.unfinished:
        return None
    intent, operation = await environment.ledger.intent(number), await environment.ledger.accepted(number)
    if intent is None or intent.verb not in (Verb.DEPLOY, Verb.PROMOTE) or operation is None:
        return None
    return number if await environment.target.ending(operation) is OperationStatus.IN_FLIGHT else None


async def take_back(environment: ServiceEnvironment, tell: Tell, evidence: CompatibilityEvidence) -> Outcome:
    """Roll back the newest deployment, which has just replaced the previous release.

    Raise SlipwayError when the run cannot start.
    """
    return await (await or_unknown(_taking_back(environment, evidence))).run(tell)


async def plan_take_back(environment: ServiceEnvironment, evidence: CompatibilityEvidence) -> Plan:
    """Return the changes of rolling back the newest deployment, or why that would be refused. Change nothing."""
    return await (await _taking_back(environment, evidence)).plan()


async def _taking_back(environment: ServiceEnvironment, evidence: CompatibilityEvidence) -> Redeployment:
    """Return the rollback of the newest deployment.

    Without a migration it needs no certificate, because the previous release ran on this schema.
    """
    ledger = environment.ledger
    back = await destination(environment, None)
    redeployment = _rollback(environment, back, evidence, image_only=False)
    records = await ledger.newest_records(await ledger.contents(), NEWEST)
    brought = [each for each in records if isinstance(each, Release) and each.verb is Verb.DEPLOY and was_brought(each)]
    number = brought[-1].number if brought else 0
    migration = await ledger.migration(number) if environment.migrates else None
    stays = not environment.migrates or (migration and not migration.applied and not migration.unseen)
    return replace(redeployment, risk_of=no_op) if stays else redeployment


@dataclass(frozen=True)
class RollbackDestination:
    """A recorded release to which a rollback leads.

    - number: None when only the digest is known, because the run that began the rollback was killed.
    - specification: the recorded settings, or None.
    """

    digest: str
    number: int | None
    heads: Readiness
    specification: Specification | None

    @property
    def release(self) -> str:
        return f"release {self.number}" if self.number else f"the release {self.digest}"


async def destination(environment: ServiceEnvironment, to: int | None) -> RollbackDestination:
    """Return release `to`, or the previously live one.

    Raise SlipwayError when there is none, UnknownOutcomeError when the ledger fails.
    """
    try:
        found = await _recorded(environment, to)
    except (BadInputError, RefusedError) as error:
        _check_ledger_was_read(environment, error)
        raise
    _check_ledger_was_read(environment)
    return found


def _check_ledger_was_read(environment: ServiceEnvironment, error: SlipwayError | None = None) -> None:
    """Raise UnknownOutcomeError when a run without the ledger could not read it: no other place has the release's settings."""
    store = environment.ledger.store
    if not (isinstance(store, LateStore) and store.failure):
        return
    command = f"slipway deploy --environment {environment.name} --image REPOSITORY@DIGEST --without-ledger REASON"
    raise UnknownOutcomeError(
        f"the ledger cannot be read ({store.failure.what}), so the release to go back to is unknown; nothing was changed",
        f"`{command}` goes back without the ledger, with the settings of this folder; REPOSITORY@DIGEST is in the output of the run that "
        "deployed it, and in the platform's revisions of the service",
    ) from error


async def _recorded(environment: ServiceEnvironment, to: int | None) -> RollbackDestination:
    ledger = environment.ledger
    history = await environment.history()
    releases = (await environment.settled(history)).releases
    if to is not None:
        return await _to(environment, named_release((*releases, *await ledger.releases([to])), to))
    newest = await ledger.intent(history.newest) if history.newest in history.unfinished else None
    if newest is not None and is_rollback(newest):
        digest = digest_of(newest)
        release = live_with(releases, digest)
        number, heads = (release.number, release.readiness) if release else (None, Readiness())
        return RollbackDestination(digest, number, heads, newest.specification)
    return await _to(environment, release_before(releases, (await environment.status()).digest))


async def _to(environment: ServiceEnvironment, release: Release) -> RollbackDestination:
    intent = await environment.ledger.intent(release.number)
    return RollbackDestination(
        digest_of(release), release.number, release.readiness, intent.specification if intent else None
    )


def _rollback(
    environment: ServiceEnvironment,
    back: RollbackDestination,
    evidence: CompatibilityEvidence | None,
    *,
    image_only: bool,
) -> Redeployment:
    evidence = evidence or CompatibilityEvidence()
    former, notes = environment, tuple[str, ...]()
    if image_only:
        notes = (f"only the image goes back: the settings are those of this folder, not of {back.release}",)
    elif back.specification is None:
        notes = (f"{back.release} was recorded without its settings, so it gets those of this folder",)
    else:
        former = _as_it_was(environment, back.specification, back.release)

    async def risk_of(observed: Observed) -> RefusedError | None:
        live = await former.known_heads(observed)
        if (risk := await evidence.risk(rollback_risk, back.heads, live, former)) is None:
            return None
        commits = await _commit(former, back.digest, back.heads), await _commit(former, observed.digest, live)
        return _unproven(f"going back to {back.release}", risk, _FIX, *commits)

    return Redeployment(
        environment=former,
        digest=back.digest,
        verb=Verb.ROLLBACK,
        evidence=evidence,
        risk_of=risk_of,
        notes=notes,
    )


def _as_it_was(environment: ServiceEnvironment, specification: Specification, release: str) -> ServiceEnvironment:
    """Return the environment with the settings of a release.

    Raise RefusedError when the release ran elsewhere, where a second service would be created.
    """
    settings = restored(specification, environment.name, release, environment.own_settings.variables)
    # the release is from before a move
    if settings.environment(environment.name).target is not environment.own_settings.target:
        settings = carried(settings, environment.settings, environment.name)
    addresses = {variable: environment.addresses.get(variable) for variable in map(variable_of, settings.calls)}
    known = {variable: address or specification.addresses.get(variable, "") for variable, address in addresses.items()}
    former = environment.with_settings(settings).with_addresses(known)
    was, now = (
        f"{each.service} on {each.own_settings.target.value} in {each.own_settings.region} of {each.own_settings.account}"
        for each in (former, environment)
    )
    if was != now:
        raise RefusedError(
            f"{release} was {was}, and {environment.name} is {now}", "go back to the image alone with --image-only"
        )
    return former


async def _changed_secrets(environment: ServiceEnvironment, back: RollbackDestination) -> tuple[str, ...]:
    """Return a note for each secret that has another version now. The service will read the current version."""
    if back.specification is None or not back.specification.versions:
        return ()
    now = versions_in(await checks_of_secrets(environment.aws, environment.spec(back.digest)))
    was = back.specification.versions
    return tuple(
        f"the secret {name} has changed since {back.release}, from version {was[name]} to {now[name]}; the service reads the current one"
        for name in sorted(was.keys() & now.keys())
        if was[name] != now[name]
    )
