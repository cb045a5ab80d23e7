"""Whether a release and a schema go together: from a certificate for this very pair, never from hope. Pure.

Two pairs can be wrong. When the database will be migrated, the release that is live must live with the new schema; when it stays, as in a
rollback, the release that is wanted must live with what is there. Certificates do not chain: a → b and b → c say nothing of a on c.
"""

import re
from collections.abc import Iterable

from slipway.records.certificate import Answer, Certificate
from slipway.records.migration import Heads, Readiness
from slipway.untrusted import one_line

_COMMIT = re.compile(r"[0-9a-f]{40}")


def rollback_risk(wanted: Readiness, live: Readiness, certificates: Iterable[Certificate]) -> str | None:
    """Why a release may not work on the schema that is there; None when that was proven, or nothing has moved."""
    return _risk(wanted, wanted.image, live.database, certificates, "the release that is wanted")


def forward_risk(wanted: Readiness, live: Readiness, certificates: Iterable[Certificate]) -> str | None:
    """Why the release that is live may not work on the schema that is wanted; None when that was proven, or nothing will move.

    A schema that is ahead of what is wanted is not migrated: then it is the wanted release that must work on it.
    """
    known = tuple(certificates)
    if _certified(wanted.image, live.database, known):
        return rollback_risk(wanted, live, known)
    return _risk(live, live.database, wanted.image, known, "the release that is live")


def _risk(
    release: Readiness, before: Heads | None, after: Heads | None, certificates: Iterable[Certificate], whose: str
) -> str | None:
    if before is None or after is None:
        return "nobody can say at which revisions the release and its database stand"
    if set(before) == set(after):
        return None
    found = _certified(before, after, tuple(certificates))
    if not found:
        return f"no certificate says that {whose} works on a schema that goes from {spoken(before)} to {spoken(after)}"
    return _said_against(found[-1], release, whose)


def _certified(
    before: Heads | None, after: Heads | None, certificates: Iterable[Certificate]
) -> tuple[Certificate, ...]:
    """The certificates of exactly this pair, the last one made last."""
    if before is None or after is None:
        return ()
    pair = set(before), set(after)
    return tuple(
        sorted(
            (found for found in certificates if (set(found.before), set(found.after)) == pair),
            key=lambda found: found.made,
        )
    )


def _said_against(certificate: Certificate, release: Readiness, whose: str) -> str | None:
    tried, commit = certificate.previous, release.commit
    if commit and _COMMIT.fullmatch(tried) and _COMMIT.fullmatch(commit) and tried != commit:
        return f"the certificate is about the release of the commit {tried[:12]}, and {whose} is of {commit[:12]}"
    if not certificate.revisions:
        return f"the certificate of this pair names no revision that {whose} was tried with"
    for revision in certificate.revisions:
        if revision.compatible is Answer.NO:
            return f"the revision {one_line(revision.id)} breaks {whose}"
        if revision.compatible is Answer.UNKNOWN:
            return f"nobody has seen {whose} work after the revision {one_line(revision.id)}"
    return None


def spoken(heads: Heads) -> str:
    """Heads in a sentence; what others wrote is made harmless."""
    return ", ".join(one_line(head, 40) for head in heads) or "an empty database"
