"""Roll back: deploy a recorded release again, by digest. Nothing is built or pushed, and the database is not migrated.

A rollback needs proof that the release works on the schema of the live database, or a reason to go without, which is recorded.
"""

from dataclasses import dataclass

from slipway.environment.environment import ServiceEnvironment
from slipway.environment.evidence import CompatibilityEvidence, known_heads
from slipway.records.ledger import Release
from slipway.records.migration import Readiness
from slipway.records.outcome import Outcome, Verb
from slipway.records.plan import Observed, Plan
from slipway.records.progress import Event, Tell
from slipway.release.engine.compatibility import rollback_risk
from slipway.release.engine.goal import Live
from slipway.release.engine.ledger import digest_of, is_rollback, named_release, release_before, was_live
from slipway.release.errors import or_unknown


@dataclass(frozen=True)
class RollbackPlan:
    """A recorded release to go back to. `number` is None if the run that began it was killed and only its digest is known."""

    digest: str
    number: int | None
    heads: Readiness

    @property
    def release(self) -> str:
        return f"release {self.number}" if self.number else f"the release {self.digest}"

    @property
    def unproven(self) -> str:
        return f"going back to {self.release} is not proven"


async def destination(environment: ServiceEnvironment, to: int | None) -> RollbackPlan:
    """Return release `to`, or the one that was live before; raises SlipwayError if there is none."""
    ledger = environment.ledger
    contents = await ledger.contents()
    releases = await ledger.releases(contents.releases)
    if to is not None:
        return _to(named_release(releases, to))
    newest = await ledger.intent(contents.newest) if contents.newest not in contents.releases else None
    if newest is not None and is_rollback(newest):
        digest = digest_of(newest)
        same = (each for each in releases if was_live(each) and digest_of(each) == digest)
        release = next(same, None)
        return _to(release) if release else RollbackPlan(digest, None, Readiness())
    return _to(release_before(releases, (await environment.status()).digest))


async def plan_rollback(
    environment: ServiceEnvironment, to: int | None, evidence: CompatibilityEvidence | None = None
) -> Plan:
    """Return what the rollback would change, or why it would be refused; changes nothing."""
    evidence = evidence or CompatibilityEvidence()
    back = await destination(environment, to)
    risk = await _risk(environment, back, await environment.status(), evidence)
    return evidence.planned(await environment.plan(back.digest), risk, back.unproven)


async def rollback(
    environment: ServiceEnvironment, tell: Tell, to: int | None, evidence: CompatibilityEvidence
) -> Outcome:
    """Roll back and return the outcome; raises SlipwayError if the run cannot start."""
    back = await or_unknown(destination(environment, to))
    tell(Event(f"back to {back.release}"))

    permit = evidence.permit(lambda observed: _risk(environment, back, observed, evidence), back.unproven, tell)
    engine = environment.engine(tell, permit, evidence.certificate, evidence.reason)
    return await environment.release(Live(environment.spec(back.digest), Verb.ROLLBACK), engine)


async def _risk(
    environment: ServiceEnvironment, back: RollbackPlan, observed: Observed, evidence: CompatibilityEvidence
) -> str | None:
    live = await known_heads(environment, observed)
    return rollback_risk(back.heads, live, await evidence.certificates(environment))


def _to(release: Release) -> RollbackPlan:
    return RollbackPlan(digest_of(release), release.number, release.readiness)
