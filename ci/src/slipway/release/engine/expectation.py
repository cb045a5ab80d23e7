"""How long a deployment takes as a rule, from those that succeeded before."""

from collections.abc import Collection
from statistics import median

from slipway.records.ledger import Release
from slipway.records.outcome import Status

_NEWEST = 10  # older ones were of another service
_LEAST = 2  # one is no rule


def expected_seconds(releases: Collection[Release]) -> float | None:
    """The median of the newest that succeeded; None when there are too few to say. A NOOP took no time, and a failure its own."""
    newest = sorted(releases, key=lambda release: release.number, reverse=True)
    took = [release.seconds for release in newest if release.status is Status.SUCCEEDED][:_NEWEST]
    return median(took) if len(took) >= _LEAST else None
