"""What is known of a release and its database when they are to be changed, and what a person may say in place of a proof."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from slipway.errors import RefusedError
from slipway.records.certificate import Certificate
from slipway.records.migration import Readiness
from slipway.records.plan import Action, Observed, Plan
from slipway.records.progress import Event
from slipway.release.engine.engine import Tell
from slipway.release.engine.recorded import digest_of
from slipway.untrusted import one_line
from slipway.verbs.environment import Environment, Permit

_PROVE = (
    "prove this pair (`slipway gate --since COMMIT --report DIR`, `slipway certificate --proof DIR/proof.json`) and give it with "
    "--certificate, or say with --without-proof why it is done all the same"
)


@dataclass(frozen=True)
class Evidence:
    """A certificate that was handed over, beside those of the ledger; and the reason of somebody who goes without, which is recorded."""

    certificate: Certificate | None = None
    reason: str = ""

    async def certificates(self, *environments: Environment) -> tuple[Certificate, ...]:
        given = (self.certificate,) if self.certificate else ()
        kept = [found for environment in environments for found in await environment.ledger.certificates()]
        return (*kept, *given)

    def permit(self, risk: Callable[[Observed], Awaitable[str | None]], what: str, tell: Tell) -> Permit:
        """Return the engine's permit: it raises RefusedError for a risk without a reason, and tells each risk once per run."""
        told = set[str]()

        async def permit(observed: Observed) -> None:
            found = await risk(observed)
            if found is None:
                return
            if not self.reason:
                raise _unproven(what, found)
            if found not in told:
                tell(Event(f"{what}: {found}; proceeding because: {one_line(self.reason)}"))
            told.add(found)

        return permit

    def planned(self, plan: Plan, risk: str | None, what: str) -> Plan:
        """The plan, blocked when there is a risk that nobody takes: a run would be refused."""
        if risk is None or self.reason or not plan.changes or plan.action is Action.BLOCKED:
            return plan
        return replace(plan, action=Action.BLOCKED, reason=str(_unproven(what, risk)))


def _unproven(what: str, risk: str) -> RefusedError:
    return RefusedError(f"{what}: {risk}", _PROVE)


async def standing(environment: Environment, observed: Observed) -> Readiness:
    """At which revisions release and database stand: as the live release says, or as the ledger has it from the last time."""
    if (said := await environment.readiness(observed)) and said.database is not None:
        return said
    ledger = environment.ledger
    ended = await ledger.releases((await ledger.contents()).releases)
    known = next((release for release in ended if release.database is not None), None)
    database = known.database if known else None
    # A deployment that was killed, or never read its own end, has migrated all the same.
    if (last := await ledger.last_migration()) and (known is None or last[0] > known.number):
        database = None if last[1].unseen else last[1].after
    live = next(
        (release for release in ended if observed.digest and release.image and digest_of(release) == observed.digest),
        None,
    )
    return Readiness(live.heads if live else None, database, live.commit if live else None)
