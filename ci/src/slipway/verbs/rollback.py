"""rollback: bring a recorded release back, by digest: nothing is built, nothing pushed, and the database stays as it is.

It asks for a proof that the release works on the schema that is really there; who goes without one gives a reason, which is recorded.
"""

from dataclasses import dataclass

from slipway.records.ledger import Release
from slipway.records.migration import Readiness
from slipway.records.outcome import Outcome, Verb
from slipway.records.plan import Observed, Plan
from slipway.records.progress import Event
from slipway.release.engine import compatibility as pair
from slipway.release.engine import recorded
from slipway.release.engine.engine import Tell
from slipway.release.engine.goal import Live
from slipway.release.errors import or_unknown
from slipway.verbs.environment import Environment
from slipway.verbs.proof import Evidence, standing


@dataclass(frozen=True)
class Way:
    """Back to a recorded release. `number` is that release's; None when the run that began it was killed and only its digest is known."""

    digest: str
    number: int | None
    wanted: Readiness

    @property
    def spoken(self) -> str:
        return f"release {self.number}" if self.number else f"the release {self.digest}"

    @property
    def unproven(self) -> str:
        return f"going back to {self.spoken} is not proven"


async def way_back(environment: Environment, to: int | None) -> Way:
    """Where a rollback goes; raises SlipwayError when there is nothing to go back to."""
    ledger = environment.ledger
    contents = await ledger.contents()
    releases = await ledger.releases(contents.releases)
    if to is not None:
        return _to(recorded.named(releases, to))
    newest = await ledger.intent(contents.newest) if contents.newest not in contents.releases else None
    if newest is not None and recorded.is_rollback(newest):
        digest = recorded.digest_of(newest)
        known = next(
            (found for found in releases if recorded.was_live(found) and recorded.digest_of(found) == digest), None
        )
        return _to(known) if known else Way(digest, None, Readiness())
    return _to(recorded.last_before(releases, (await environment.status()).digest))


async def plan_rollback(environment: Environment, to: int | None, evidence: Evidence | None = None) -> Plan:
    """What it would change, or why it would be refused; nothing is touched."""
    evidence = evidence or Evidence()
    way = await way_back(environment, to)
    risk = await _risk(environment, way, await environment.status(), evidence)
    return evidence.planned(await environment.plan(way.digest), risk, way.unproven)


async def rollback(environment: Environment, tell: Tell, to: int | None, evidence: Evidence) -> Outcome:
    """Go back and answer the truth; raises SlipwayError when it cannot be tried."""
    way = await or_unknown(way_back(environment, to))
    tell(Event(f"back to {way.spoken}"))

    permit = evidence.permit(lambda observed: _risk(environment, way, observed, evidence), way.unproven, tell)
    engine = environment.engine(tell, permit, risk=evidence.reason)
    return await environment.release(Live(environment.spec(way.digest), Verb.ROLLBACK), engine)


async def _risk(environment: Environment, way: Way, observed: Observed, evidence: Evidence) -> str | None:
    live = await standing(environment, observed)
    return pair.rollback_risk(way.wanted, live, await evidence.certificates(environment))


def _to(release: Release) -> Way:
    return Way(recorded.digest_of(release), release.number, release.readiness)
