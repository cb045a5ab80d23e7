"""Whether a release works on a schema, by its health path and by certificates, and what to do when it does not answer.

Pure.
Two pairs matter. If the database will be migrated, the live release must work on the new schema. If not, as in a
rollback, the wanted release must work on the current schema. Certificates are not transitive: a → b and b → c prove
nothing about a on c.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from slipway.records.answer import Answer
from slipway.records.certificate import Certificate, Ternary
from slipway.records.ledger import Release
from slipway.records.migration import Heads, Migration, Readiness
from slipway.untrusted import json_object, one_line

_REVISION = re.compile(r"\w{1,64}")  # alembic's ids, generated or written by hand, and git's
_MOST_HEADS = 32
_COMMIT = re.compile(r"[0-9a-f]{40}")
SHORT = 12  # digits of a commit that identify it for git
BROKEN = "the live release does not work since the migration"  # the beginning of such a cause


class Disproof(str):
    """A proven incompatibility: by a certificate, the release does not work on the schema."""

    __slots__ = ()


def readiness_from(text: str) -> Readiness | None:
    """Read the answer of a health path; return None when it has nothing about revisions or the database."""
    body = json_object(text)
    unreachable = body.get("database") == "unreachable"
    database = None if unreachable else _heads(body, "database_head")
    readiness = Readiness(_heads(body, "image_head"), database, _commit(body.get("git_revision")), unreachable)
    return None if readiness == Readiness() else readiness


def _heads(body: Mapping[str, object], key: str) -> Heads | None:
    """Read one head, several, or null, which means a database before its first revision."""
    if key not in body:
        return None
    value = body[key]
    heads = value if isinstance(value, list) else [] if value is None else [value]
    if len(heads) > _MOST_HEADS or not all(isinstance(head, str) and _REVISION.fullmatch(head) for head in heads):
        return None
    return tuple(sorted(heads))


def _commit(value: object) -> str | None:
    return value if isinstance(value, str) and _REVISION.fullmatch(value) and value != "unknown" else None


def rollback_risk(wanted: Readiness, live: Readiness, certificates: Iterable[Certificate]) -> str | None:
    """Return why a release may fail on the current schema; None when it is proven to work, or when the schema is the release's own."""
    return _risk(wanted, wanted.image, live.database, certificates, "the wanted release")


def forward_risk(wanted: Readiness, live: Readiness, certificates: Iterable[Certificate]) -> str | None:
    """Return why the live release may fail on the wanted schema; None when it is proven to work, or when the schema stays the same.

    A database that is ahead of the wanted release is not migrated. As in a rollback, the wanted release must then work
    on it.
    """
    known = tuple(certificates)
    if _certified(wanted.image, live.database, known):
        return rollback_risk(wanted, live, known)
    if risk := _risk(live, live.database, wanted.image, known, "the live release"):
        return risk
    refused = [each.refused for each in _certified(live.database, wanted.image, known)][-1:]
    return f"the gate refused the migration ({', '.join(map(one_line, refused[0]))})" if any(refused) else None


def _risk(
    release: Readiness, before: Heads | None, after: Heads | None, certificates: Iterable[Certificate], whose: str
) -> str | None:
    if before is None or after is None:
        return "the revisions of the release and its database are unknown"
    if set(before) == set(after):
        return None
    certified = _certified(before, after, tuple(certificates))
    if not certified:
        return f"no certificate covers {whose}, of revision {heads_as_text(before)}, on a database at {heads_as_text(after)}"
    return _objection(certified[-1], release, whose)


def _certified(
    before: Heads | None, after: Heads | None, certificates: Iterable[Certificate]
) -> tuple[Certificate, ...]:
    """Return the certificates for exactly this pair, the newest last."""
    if before is None or after is None:
        return ()
    pair = set(before), set(after)
    exact = (certificate for certificate in certificates if (set(certificate.before), set(certificate.after)) == pair)
    return tuple(sorted(exact, key=lambda certificate: certificate.made))


def _objection(certificate: Certificate, release: Readiness, whose: str) -> str | None:
    tried, commit = certificate.previous, release.commit
    if commit and _COMMIT.fullmatch(tried) and _COMMIT.fullmatch(commit) and tried != commit:
        return f"the certificate is about the release of the commit {tried[:SHORT]}, and {whose} is of {commit[:SHORT]}"
    if not certificate.revisions:
        return f"the certificate of this pair names no revision that {whose} was tried with"
    for revision in certificate.revisions:
        if revision.compatible is Ternary.NO:
            return Disproof(f"the revision {one_line(revision.id)} breaks {whose}")
        if revision.compatible is Ternary.UNKNOWN:
            return f"{whose} was never tried after the revision {one_line(revision.id)}"
    return None


def is_behind(known: Readiness, releases: Sequence[Release], last: tuple[int, Migration] | None) -> Ternary:
    """Return whether a database lacks migrations of its release: the ledger recorded the database's heads before the release's.

    `releases` are newest first. `last` is the newest migration, whose run may have been killed.
    """
    if not known.database:
        return Ternary.UNKNOWN if known.database is None else Ternary.YES
    seen: dict[frozenset[str], int] = {}
    for release in reversed(releases):
        for heads in filter(None, (release.heads, release.database)):
            seen.setdefault(frozenset(heads), release.number)
    if last and last[1].known_after:
        seen.setdefault(frozenset(last[1].known_after), last[0])
    knows, at = seen.get(frozenset(known.image or ())), seen.get(frozenset(known.database))
    if knows is None or at is None or knows == at:
        return Ternary.UNKNOWN
    return Ternary.YES if at < knows else Ternary.NO


def heads_as_text(heads: Heads) -> str:
    """Return heads as escaped text for a sentence, because they are untrusted."""
    return ", ".join(one_line(head, 40) for head in heads) or "an empty database"


def way_out(environment: str, answer: Answer, back: str, *, migrated: bool = False) -> str:
    """Return what to do about a problem of the live release; empty without a problem.

    `back` is the command for a rollback, or empty. `migrated`: the previous release has another schema. A rollback
    neither repairs a database nor undoes migrations.
    """
    if not answer.problem:
        return ""
    where = f"--environment {environment}"
    look = f"look at its log with `slipway logs {where} --errors --tail 50`"
    if answer.is_without_database:
        return f"{look}, and at the database and the network to it; a rollback would not help: each release uses this database"
    if (heads := _moved(answer)) is not None:
        return _way_out_of_schema(environment, answer, *heads, back)
    if migrated:
        return f"{look}; the database was migrated, so deploy a commit with a revision that repairs it, unless a certificate of the gate says that the release before works on this schema"
    return "; ".join(filter(None, [look, back]))


def _way_out_of_schema(environment: str, answer: Answer, knows: str, at: str, back: str) -> str:
    """Return what to do about a live release whose revisions differ from those of its database."""
    found = f"the live release knows revision {knows}, and the database is at {at}"
    migrate = f"slipway migrate --environment {environment} --image {answer.image}"
    if answer.is_behind is Ternary.YES:
        runs = f"`{migrate}` runs them, or `alembic upgrade heads` where the settings name no runner"
        return "; ".join(filter(None, (f"{found}, so its migrations have not run: {runs}", back)))
    base = f"commit {answer.known.commit[:SHORT]}" if answer.known and answer.known.commit else "its commit"
    forward = (
        f"on {base}, add the revisions up to {at}, and after them one that gives the live release its schema back and drops nothing "
        f"(begin with the downgrade of {at}), and deploy that; a rollback does not migrate the database back"
    )
    if answer.is_behind is Ternary.NO:
        return f"go forward: {found}; {forward}"
    return f"{found}; `{migrate} --status` says which is older: if it is the database, run that without --status (where the settings name no runner, `alembic current` and `alembic upgrade heads` do this); otherwise go forward: {forward}"


def broken_by_migration(answer: Answer) -> str:
    """Return the sentence that the live release fails because of a schema that it does not know; empty for another cause."""
    heads = _moved(answer)
    if answer.is_without_database or not answer.problem or heads is None or answer.is_behind is Ternary.YES:
        return ""
    return f"{BROKEN} from {heads[0]} to {heads[1]}, and its errors set off the alarm that rolled the new release back"


def _moved(answer: Answer) -> tuple[str, str] | None:
    """Return the revisions of the live release and those of its database, as text; None when they agree or are unknown."""
    known = answer.known
    if known is None or known.image is None or known.database is None or set(known.image) == set(known.database):
        return None
    return heads_as_text(known.image), heads_as_text(known.database)
