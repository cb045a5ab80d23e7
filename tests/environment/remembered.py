"""A ledger of thousands of deployments, written without the calls that would have made it."""

from dataclasses import replace

from slipway.records.form import to_json
from slipway.records.ledger import Accepted, Intent, Release
from slipway.release.aws.ecr import manifest_of
from slipway.release.engine.ledger import Ledger
from tests.environment.environments import Place


async def remember(place: Place, newest: int, since: int = 1) -> None:
    """Repeat the records of deployment 1 up to `newest`, those of each hundredth and from `since` on, as older deployments of its release."""
    ledger = place.environment.ledger
    intent, accepted, (release,) = await ledger.intent(1), await ledger.accepted(1), await ledger.releases([1])
    assert intent
    assert accepted
    operation = Accepted(
        environment=place.name, number=1, arn=accepted.arn, operation=accepted.id, creating=accepted.creating
    )
    numbers = [number for number in range(2, newest + 1) if number % 100 == 0 or number >= since]
    for number in numbers:
        _store(place, ledger, number, intent, operation, release)


def _store(place: Place, ledger: Ledger, number: int, *records: Intent | Accepted | Release) -> None:
    repository = place.account.cloud.store.repositories[f"notes-ledger-{place.name}"]
    for record in records:
        manifest = manifest_of(to_json(replace(record, number=number)))
        digest = repository.put_manifest(manifest.content, manifest.media_type, place.account.cloud.clock.now())
        repository.tags[ledger.name(number, type(record).__name__.lower())] = digest
