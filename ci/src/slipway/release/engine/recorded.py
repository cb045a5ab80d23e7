"""Facts from the recorded releases: where a rollback goes, and how long a deployment takes. Pure."""

from collections.abc import Collection, Sequence
from statistics import median

from slipway.errors import BadInputError, RefusedError
from slipway.records.image import Reference
from slipway.records.ledger import Intent, Release
from slipway.records.outcome import Status, Verb

_NAME_IT = "name one with --to; `slipway history` lists them"
RELEASES = (Verb.DEPLOY, Verb.PROMOTE, Verb.ROLLBACK)
_NEWEST = 10  # durations of older deployments are another service's
_LEAST = 2  # one duration predicts nothing


def named(releases: Sequence[Release], number: int) -> Release:
    """Return the release of this number; raises BadInputError when it was never live."""
    release = next((release for release in releases if release.number == number), None)
    if release is None:
        raise BadInputError(f"the ledger has no deployment {number} that has ended", _NAME_IT)
    if not was_live(release):
        raise BadInputError(f"deployment {number} was never live, it ended as {release.status.value}", _NAME_IT)
    return release


def last_before(releases: Sequence[Release], live: str | None) -> Release:
    """Return the newest release that was live and has another digest than `live`; `releases` newest first.

    Raises RefusedError when there is none, and after a rollback: run twice, a rollback must not go back twice unless its user names a release.
    """
    were_live = [release for release in releases if was_live(release)]
    if were_live and were_live[0].verb is Verb.ROLLBACK:
        raise RefusedError(f"the last deployment, {were_live[0].number}, was itself a rollback", _NAME_IT)
    release = next((release for release in were_live if digest_of(release) != live), None)
    if release is None:
        raise RefusedError("no other release was ever live here", "deploy one with --image")
    return release


def live_with(releases: Sequence[Release], digest: str | None) -> Release | None:
    """Return the newest release that was live with this digest; None if there is none. `releases` newest first."""
    return next((release for release in releases if was_live(release) and digest_of(release) == digest), None)


def is_rollback(intent: Intent | None) -> bool:
    """Return whether the newest, unfinished intent is a rollback: the next run resumes it, with its own destination."""
    return intent is not None and intent.verb is Verb.ROLLBACK


def was_live(release: Release) -> bool:
    return release.verb in RELEASES and release.status in (Status.SUCCEEDED, Status.NOOP)


def digest_of(record: Release | Intent) -> str:
    """Return the digest that a record names; raises BadInputError for the record of a verb without a release."""
    return Reference.parse(record.image).digest


def expected_seconds(releases: Collection[Release]) -> float | None:
    """Return the median duration of the newest successes; None when there are too few."""
    newest = sorted(releases, key=lambda release: release.number, reverse=True)
    seconds = [release.seconds for release in newest if release.status is Status.SUCCEEDED][:_NEWEST]
    return median(seconds) if len(seconds) >= _LEAST else None
