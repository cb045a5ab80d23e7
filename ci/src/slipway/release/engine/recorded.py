"""Which recorded release a rollback goes back to. Pure: the ledger in, a release out."""

from collections.abc import Sequence

from slipway.errors import BadInputError, RefusedError
from slipway.records.image import Reference
from slipway.records.ledger import Intent, Release
from slipway.records.outcome import Status, Verb

_NAME_IT = "name one with --to; `slipway history` has them"
RELEASES = (Verb.DEPLOY, Verb.PROMOTE, Verb.ROLLBACK)


def named(releases: Sequence[Release], number: int) -> Release:
    """The release of this number; raises BadInputError when it was never live."""
    found = next((release for release in releases if release.number == number), None)
    if found is None:
        raise BadInputError(f"the ledger has no deployment {number} that has ended", _NAME_IT)
    if not was_live(found):
        raise BadInputError(f"deployment {number} was never live, it ended as {found.status.value}", _NAME_IT)
    return found


def last_before(releases: Sequence[Release], live: str | None) -> Release:
    """The newest release that was live, of another digest than the one that is; `releases` newest first. Raises RefusedError.

    Asked twice, it must not go back twice: after a rollback somebody has to say how far.
    """
    were_live = [release for release in releases if was_live(release)]
    if were_live and were_live[0].verb is Verb.ROLLBACK:
        raise RefusedError(f"the last deployment, {were_live[0].number}, was itself a rollback", _NAME_IT)
    found = next((release for release in were_live if digest_of(release) != live), None)
    if found is None:
        raise RefusedError("no other release was ever live here", "deploy one with --image")
    return found


def begun(intent: Intent | None) -> bool:
    """Whether a rollback was begun and has not ended: the next run goes on with it, wherever it was going."""
    return intent is not None and intent.verb is Verb.ROLLBACK


def was_live(release: Release) -> bool:
    return release.verb in RELEASES and release.status in (Status.SUCCEEDED, Status.NOOP)


def digest_of(release: Release | Intent) -> str:
    return Reference.parse(release.image).digest
