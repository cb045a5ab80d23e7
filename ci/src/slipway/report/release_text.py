"""Plans, states and outcomes for a terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime

from slipway.records.ledger import History, Release, Situation
from slipway.records.migration import Heads, Migration, Readiness
from slipway.records.outcome import Diagnosis, Examination, Outcome, Verb
from slipway.records.plan import Action, Observed, Plan, State
from slipway.report.rehearsal_text import duration
from slipway.untrusted import one_line


def of_plan(plan: Plan) -> str:
    """What a deployment would do, field by field."""
    what = "nothing to change:" if plan.action is Action.NOOP else plan.action.value
    heading = one_line(
        f"{what} {plan.service} in {plan.environment}" + (f": {plan.reason}" if plan.reason else ""), 1000
    )
    changes = (
        f"  {one_line(change.name)}: {one_line(change.before or 'none')} -> {one_line(change.after or 'none')}"
        for change in plan.changes
    )
    notes = (f"  note: {one_line(note, 600)}" for note in plan.notes)
    return "\n".join([heading, *changes, *notes]) + "\n"


def of_situation(situation: Situation) -> str:
    """What is live, and how it came there."""
    lines = [f"{one_line(situation.environment)}: {state(situation.observed)}"]
    lines += [f"  {f'{name}:':<12}{one_line(value, 600)}" for name, value in facts(situation)]
    return "\n".join(lines) + "\n"


def state(observed: Observed) -> str:
    """The platform's word for it, or that there is nothing."""
    return "nothing is there" if observed.state is State.ABSENT else one_line(observed.status or observed.state.value)


def facts(situation: Situation) -> Iterator[tuple[str, str]]:
    """What a person wants to know of an environment, by its name; the values are as they were found."""
    observed = situation.observed
    if observed.state is not State.ABSENT:
        yield "digest", observed.digest or "none is live"
        yield "address", observed.url or "none"
    if situation.live:
        yield "live since", _deployment(situation.live)
    elif observed.digest and not situation.unseen:
        yield "live since", "nobody knows: no deployment in the ledger brought this digest"
    if situation.newest and situation.newest != situation.live:
        newest = situation.newest
        yield "newest", f"{_deployment(newest)}, {newest.status.value}"
    if situation.readiness:
        yield "release", _says(situation.readiness)
    if observed.operation:
        yield "in flight", observed.operation
    for number in situation.unfinished:
        yield "unfinished", f"deployment {number} goes on, or was killed; its command, run again, goes on with it"
    if situation.unseen:
        yield "ledger", f"cannot be read: {situation.unseen}"


def _deployment(release: Release) -> str:
    """`deployment 4, rollback, 2026-11-27 23:09:38Z, by ann@laptop`."""
    by = f", by {release.holder}" if release.holder else ""
    return f"deployment {release.number}, {release.verb.value}, {moment(release.ended)}{by}"


def _says(said: Readiness) -> str:
    """What a release says of itself, in a few words."""
    known = [
        ("commit {}", said.commit),
        ("knows revision {}", _heads(said.image)),
        ("database at {}", _heads(said.database)),
    ]
    return ", ".join(words.format(value) for words, value in known if value)


def _heads(heads: Heads | None) -> str | None:
    return None if heads is None else ", ".join(heads) or "no revision"


def moment(seconds: int) -> str:
    """A time of the platform's."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"


def of_history(history: History) -> str:
    """One line for each deployment, newest first."""
    going_on = [f"{number:>4}  has not ended: it goes on, or was killed" for number in history.unfinished]
    lines = [*going_on, *map(_release_line, history.releases)]
    heading = f"{one_line(history.environment)}:" + ("" if lines else " nothing has been deployed by slipway yet")
    return "\n".join([heading, *lines]) + "\n"


def _release_line(release: Release) -> str:
    digest = one_line(release.image).partition("@")[2] or "-"
    commit = f"  commit {one_line(release.commit)[:12]}" if release.commit else ""
    holder = f"  by {one_line(release.holder)}" if release.holder else ""
    cause = f"  {one_line(release.cause)}" if release.cause else ""
    risk = f"  without proof: {one_line(release.risk)}" if release.risk else ""
    what = f"{release.verb.value:<8}  {release.status.value:<15}  {digest}"
    return f"{release.number:>4}  {moment(release.ended)}  {what}{commit}{holder}{cause}{risk}"


def of_outcome(outcome: Outcome) -> str:
    """The truth, and why."""
    return "\n".join(_lines(outcome)) + "\n"


def of_examination(examination: Examination) -> str:
    """What became of the newest change, and why."""
    what = f"the operation {one_line(examination.operation)} " if examination.operation else ""
    lines = [f"{one_line(examination.environment)}: {what}{one_line(examination.ending)}", *_why(examination.diagnosis)]
    return "\n".join(lines) + "\n"


_NOUNS = {
    Verb.PROMOTE: "promotion of ",
    Verb.ROLLBACK: "rollback of ",
    Verb.PAUSE: "pause of ",
    Verb.RESUME: "resumption of ",
    Verb.DESTROY: "deletion of ",
}


def done(verb: Verb) -> str:
    """What was done, before the name of what it was done to; of a deployment the name alone is enough."""
    return _NOUNS.get(verb, "")


def _lines(outcome: Outcome) -> Iterator[str]:
    service, environment = one_line(outcome.service), one_line(outcome.environment)
    number = f", deployment {outcome.number}" if outcome.number else ""
    what = done(outcome.verb)
    yield f"{outcome.status.value} {what}{service} in {environment} after {duration(outcome.seconds)}{number}"
    if outcome.requested:
        yield f"  requested: {one_line(outcome.requested)}"
    yield f"  live:      {one_line(outcome.live or 'nothing')}"
    if outcome.live and outcome.url:
        yield f"  url:       {_url(one_line(outcome.url, 600))}"
    if outcome.migration:
        yield f"  database:  {migrated(outcome.migration)}"
    yield from _why(outcome.diagnosis)


def _url(host: str) -> str:
    """Return the public URL of a host: platforms serve TLS, a simulator on this machine plain HTTP."""
    return f"{'http' if host.startswith('127.0.0.1') else 'https'}://{host}"


def migrated(migration: Migration) -> str:
    """From where to where, in a few words."""
    if migration.unseen:
        return f"migrated, and what ran is not known: {one_line(migration.unseen)}"
    before, after = (one_line(", ".join(heads) or "no revision") for heads in (migration.before, migration.after))
    return f"{before} -> {after}" if migration.applied else f"at {after} already"


def _why(diagnosis: Diagnosis | None) -> Iterator[str]:
    if diagnosis:
        yield f"  cause:     {one_line(diagnosis.cause)}"
        yield from (f"  log:       {one_line(line)}" for line in diagnosis.lines)
        yield f"  remedy:    {one_line(diagnosis.remedy)}"
