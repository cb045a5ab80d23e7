"""Conclusions from recorded deployments: which were live, which image is older, and where a rollback leads.

All functions take releases newest first, as `slipway history` lists them.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from slipway.errors import BadInputError, RefusedError
from slipway.records.image import Reference
from slipway.records.ledger import Intent, Release
from slipway.records.outcome import Status, Verb

RELEASES = (Verb.DEPLOY, Verb.PROMOTE, Verb.ROLLBACK, Verb.MOVE)
_NAME_IT = "name one with --to; `slipway history` lists them"
_NEWEST = 10  # durations of older deployments are no longer typical
_LEAST = 2  # one duration alone predicts nothing


@dataclass(frozen=True, kw_only=True)
class OlderImage:
    """An image that was deployed before the current one. The fields are numbers of deployments.

    - first: the first deployment of the image, which may have failed.
    - live: the newest deployment that made the image live; None when none did.
    - now: the deployment of the current image.
    - is_open: whether `now` has not ended yet.
    """

    first: int
    live: int | None
    now: int
    is_open: bool = False

    @property
    def found(self) -> str:
        tried = "brought it" if self.live else "tried it, and it never went live"
        newer = "has begun to bring a newer one and not ended" if self.is_open else "brought a newer one"
        return f"deployment {self.first} {tried}, and deployment {self.now} {newer}"

    def remedy(self, environment: str) -> str:
        """Return the next step. It suggests a rollback only when the image was live before."""
        back = f"go back with `slipway rollback --environment {environment} --to {self.live}`, " if self.live else ""
        return f"deploy the newest commit, {back}or pass --older"


def newer_than(image: str, records: Sequence[Release | Intent]) -> OlderImage | None:
    """Return the age of an image if a newer image was deployed after it, otherwise None.

    An image's age counts from its first deployment, so a rollback does not make it newer. `records` are oldest first.
    """
    deployed = [record for record in records if record.verb in RELEASES]
    first: dict[str, int] = {}
    for record in deployed:
        first.setdefault(record.image, record.number)
    now = next((record for record in reversed(deployed) if isinstance(record, Intent) or was_brought(record)), None)
    if now is None or first.get(image, now.number) >= first[now.image]:
        return None
    brought = [each.number for each in deployed if each.image == image and isinstance(each, Release) and was_live(each)]
    return OlderImage(
        first=first[image], live=max(brought, default=None), now=now.number, is_open=isinstance(now, Intent)
    )


def named_release(releases: Sequence[Release], number: int) -> Release:
    """Return the release with this number, even if it did not answer. Raise BadInputError when it was never live."""
    release = next((release for release in releases if release.number == number), None)
    if release is None:
        raise BadInputError(f"the ledger has no deployment {number} that has ended", _NAME_IT)
    if not was_brought(release):
        raise BadInputError(f"deployment {number} was never live, it ended as {release.status.value}", _NAME_IT)
    return release


def release_before(releases: Sequence[Release], live: str | None) -> Release:
    """Return the newest earlier release whose image or settings differ from those of the `live` digest.

    Raise RefusedError when there is none. Also raise it after a rollback, even one by the platform: to go back twice,
    the user must name a release.
    """
    newest = _newest_change(releases)
    if newest and newest.verb is Verb.ROLLBACK:
        raise RefusedError(f"the last deployment, {newest.number}, was itself a rollback", _NAME_IT)
    if newest and _went_back(newest):
        who = "a person" if newest.status is Status.ABORTED else "the platform"
        raise RefusedError(
            f"{who} has rolled back the last deployment, {newest.number}, to the release before it", _NAME_IT
        )
    now = live_with(releases, live)
    release = next((release for release in releases if was_live(release) and _differs(release, live, now)), None)
    if release is None:
        raise RefusedError("no other release was ever live here", "deploy a release with --image")
    return release


def way_back(environment: str, releases: Sequence[Release], live: str | None) -> str:
    """Return the command for a rollback from a live release; empty when there is no earlier release."""
    newest = _newest_change(releases)
    if newest and (newest.verb is Verb.ROLLBACK or _went_back(newest)):
        return way_back_again(environment)
    with suppress(RefusedError):
        release = release_before(releases, live)
        return f"`slipway rollback --environment {environment}` goes back to release {release.number}"
    return ""


def is_of_another_schema(releases: Sequence[Release], live: str | None) -> bool:
    """Return whether the previous release has other revisions than the live one. A rollback then needs a certificate."""
    with suppress(RefusedError):
        before, now = release_before(releases, live), live_with(releases, live)
        return bool(now and now.heads is not None and before.heads is not None and set(now.heads) != set(before.heads))
    return False


def way_back_again(environment: str) -> str:
    """Return the command for another rollback after a rollback, which needs a number."""
    where = f"--environment {environment}"
    return f"`slipway rollback {where} --to NUMBER` goes to another release, and `slipway history {where}` lists them"


def _newest_change(releases: Sequence[Release]) -> Release | None:
    """Return the newest release that went live or was rolled back. Leave out rollbacks that were themselves rolled back."""
    tried = (release for release in releases if release.verb is not Verb.ROLLBACK or not _went_back(release))
    return next((release for release in tried if was_brought(release) or _went_back(release)), None)


def _differs(release: Release, live: str | None, now: Release | None) -> bool:
    """Return whether a release differs from the live one in its digest, or in its settings if both are known."""
    if digest_of(release) != live:
        return True
    is_moved = now is not None and now.verb is Verb.MOVE  # a move brings the same release to another platform
    return bool(now and not is_moved and now.wanted and release.wanted and release.wanted != now.wanted)


def is_rollback(intent: Intent | None) -> bool:
    """Return whether the newest, unfinished intent is a rollback. The next run resumes it, with its own destination."""
    return intent is not None and intent.verb is Verb.ROLLBACK


def _went_back(release: Release) -> bool:
    return release.verb in RELEASES and release.status in (Status.ROLLED_BACK, Status.ABORTED)


def was_brought(release: Release) -> bool:
    """Return whether a release went live, even if its address did not answer."""
    return was_live(release) or (release.verb in RELEASES and release.status is Status.UNANSWERED)


def was_live(release: Release) -> bool:
    return release.verb in RELEASES and release.status in (Status.SUCCEEDED, Status.NOOP)


def live_with(releases: Sequence[Release], digest: str | None) -> Release | None:
    """Return the newest release that went live with this digest; None when there is none."""
    return next((release for release in releases if was_brought(release) and digest_of(release) == digest), None)


def last_asked(releases: Sequence[Release]) -> Release | None:
    """Return the newest deployment that recorded the service's address; None when the service was paused or deleted later."""
    silent = (each for each in releases if each.verb in (Verb.PAUSE, Verb.DESTROY) and not each.status.exit_code)
    since = max((each.number for each in silent), default=0)
    return next((each for each in releases if each.url and each.number > since), None)


def digest_of(record: Release | Intent) -> str:
    """Return the digest in a record. Raise BadInputError for the record of a command without an image."""
    return Reference.parse(record.image).digest


def expected_seconds(releases: Collection[Release]) -> float | None:
    """Return the median duration of the newest successes; None when there are too few."""
    newest = sorted(releases, key=lambda release: release.number, reverse=True)
    seconds = [release.seconds for release in newest if release.status is Status.SUCCEEDED and release.seconds][
        :_NEWEST
    ]
    return median(seconds) if len(seconds) >= _LEAST else None
