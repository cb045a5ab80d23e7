"""Evidence that a release works on a schema, weighed before a promotion or a rollback."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from slipway.environment.environment import Permit, ServiceEnvironment
from slipway.errors import RefusedError
from slipway.records.certificate import Certificate
from slipway.records.migration import Readiness
from slipway.records.plan import Action, Observed, Plan
from slipway.records.progress import Event, Tell
from slipway.release.engine.ledger import digest_of
from slipway.untrusted import one_line

_PROVE = (
    "prove this pair (`slipway gate --since COMMIT --report DIR`, `slipway certificate --proof DIR/proof.json`) and pass it with "
    "--certificate, or skip the proof with --without-proof REASON"
)


@dataclass(frozen=True)
class CompatibilityEvidence:
    """A certificate passed by the caller, besides those in the ledger; or the caller's reason to do without, which is recorded."""

    certificate: Certificate | None = None
    reason: str = ""

    async def certificates(self, *environments: ServiceEnvironment) -> tuple[Certificate, ...]:
        passed = (self.certificate,) if self.certificate else ()
        recorded = [each for environment in environments for each in await environment.ledger.certificates()]
        return (*recorded, *passed)

    def permit(self, risk_of: Callable[[Observed], Awaitable[str | None]], what: str, tell: Tell) -> Permit:
        """Return the engine's permit: it raises RefusedError for a risk without a reason, which it returns, and reports each risk once per run."""
        reported = set[str]()

        async def permit(observed: Observed) -> str | None:
            risk = await risk_of(observed)
            if risk is None:
                return None
            if not self.reason:
                raise _unproven(what, risk)
            if risk not in reported:
                tell(Event(f"{what}: {risk}; proceeding because: {one_line(self.reason)}"))
            reported.add(risk)
            return self.reason

        return permit

    def planned(self, plan: Plan, risk: str | None, what: str) -> Plan:
        """Return the plan, blocked if a run would be refused for this risk."""
        if risk is None or self.reason or not plan.changes or plan.action is Action.BLOCKED:
            return plan
        return replace(plan, action=Action.BLOCKED, reason=str(_unproven(what, risk)))


def _unproven(what: str, risk: str) -> RefusedError:
    return RefusedError(f"{what}: {risk}", _PROVE)


async def known_heads(environment: ServiceEnvironment, observed: Observed) -> Readiness:
    """Return the revisions of the live release and of its database: from its readiness answer, or from the ledger."""
    if (readiness := await environment.readiness(observed)) and readiness.database is not None:
        return readiness
    ledger = environment.ledger
    releases = await ledger.releases((await ledger.contents()).releases)
    newest = next((release for release in releases if release.database is not None), None)
    database = newest.database if newest else None
    # A run that was killed, or could not read its own outcome, has migrated nevertheless.
    if (last := await ledger.last_migration()) and (newest is None or last[0] > newest.number):
        database = None if last[1].unseen else last[1].after
    live = next(
        (each for each in releases if observed.digest and each.image and digest_of(each) == observed.digest), None
    )
    return Readiness(live.heads if live else None, database, live.commit if live else None)
