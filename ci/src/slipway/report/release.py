"""Plans, situations, histories, outcomes and diagnoses for a terminal."""

from collections.abc import Iterator
from textwrap import wrap

from slipway.records.answer import Answer
from slipway.records.ledger import History, OpenDeployment, Release, ReleaseWatch, Situation
from slipway.records.logs import Log, LogLine
from slipway.records.migration import Heads, Migration, Readiness
from slipway.records.outcome import Diagnosis, Examination, Outcome, Status, Verb
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.words import counted
from slipway.report.format import duration, heads, in_lines, moment
from slipway.untrusted import one_line

NOT_ENDED = "no end is recorded: its run continues, was killed, or ended as UNKNOWN"


@in_lines
def of_plan(plan: Plan) -> Iterator[str]:
    """Render what a deployment would change, field by field."""
    action = "nothing to change:" if plan.action is Action.NOOP else plan.action.value
    reason = f": {plan.reason}" if plan.reason else ""
    yield one_line(f"{action} {plan.service} in {plan.environment}{reason}", 1000)
    yield from (f"  {one_line(change.shown, 600)}" for change in plan.changes)
    yield from (f"  note: {one_line(note, 600)}" for note in plan.notes)


@in_lines
def of_situation(situation: Situation) -> Iterator[str]:
    """Render what is live and which deployment made it so."""
    yield f"{one_line(situation.environment)}: {standing(situation)}"
    yield from (f"  {f'{name}:':<12}{one_line(value, 600)}" for name, value in facts(situation))


def state(observed: Observed) -> str:
    """Return the platform's own status, or that there is no service."""
    return "no service" if observed.state is State.ABSENT else one_line(observed.status or observed.state.value)


def standing(situation: Situation) -> str:
    """Return the platform's own status, and that the service does not answer, which no platform's status contains."""
    word = state(situation.observed)
    if situation.unanswered:
        return f"{word}, DOES NOT ANSWER"
    if situation.observed.state is State.CREATE_FAILED and "FAILED" not in word:
        return f"{word}, but its creation failed: nothing is live"
    return word


def facts(situation: Situation) -> Iterator[tuple[str, str]]:
    """Yield the known facts about an environment by name; the values are untrusted text."""
    observed = situation.observed
    yield from _served(situation)
    yield from answered(Answer(paths=situation.asked, problem=situation.unanswered), situation.way_out)
    if situation.names or situation.unnamed:
        yield "names", ", ".join(situation.names) or f"cannot be read: {situation.unnamed}"
    if situation.live:
        yield "live since", _deployment(situation.live)
        if situation.differs:
            fields = ", ".join(situation.differs)
            yield (
                "settings",
                f"not those of deployment {situation.live.number}: {fields}; another tool, or a run without the ledger, may have changed them",
            )
    elif observed.main_digest and not situation.unseen:
        yield "live since", "unknown: no deployment in the ledger released this digest"
    if situation.newest and situation.newest != situation.live:
        newest = situation.newest
        ended = "" if newest.status.exit_code else f", {newest.status.value}"
        cause = f": {newest.cause}" if newest.status.exit_code and newest.cause else ""
        yield "newest", f"{_deployment(newest)}{ended}{cause}"
    known = ("instances", situation.instances), ("traffic", situation.traffic)
    yield from ((name, value) for name, value in known if value)
    if situation.readiness:
        yield "release", _readiness(situation.readiness)
    if observed.operation:
        yield "in flight", observed.operation
    yield from _unrecorded(situation)


def _served(situation: Situation) -> Iterator[tuple[str, str]]:
    """Yield the facts about the live service and its address, or why they cannot be read."""
    observed = situation.observed
    if situation.unobserved:
        yield "platform", f"cannot be read, so the live digest is unknown: {situation.unobserved}"
        if situation.remembered:
            yield "url", f"{_url(str(observed.url))}, as deployment {situation.remembered} recorded it"
        elif situation.unseen:
            yield (
                "url",
                "unknown without the ledger: request the one that your users have; https://health.aws.amazon.com shows outages",
            )
    elif observed.state is not State.ABSENT:
        shares = ", ".join(f"{digest} with {share:g} % of the traffic" for digest, share in observed.shares.items())
        yield "digest", shares or observed.digest or "none is live"
        private = "; private: only its VPC reaches it" if observed.private else ""
        yield "url", (_url(observed.url) if observed.url else "none") + private


def _unrecorded(situation: Situation) -> Iterator[tuple[str, str]]:
    """Yield the deployments without a recorded end, or why the ledger could not be read."""
    for deployment in situation.open:
        what = f"deployment {deployment.number}, {_what(deployment)}, {NOT_ENDED}"
        migrating = ", and its migration may still run in the database" if deployment.may_migrate else ""
        yield "unfinished", f"{what}{migrating}; {_resumption(deployment, situation.environment)}"
    if situation.unseen:
        yield "ledger", f"cannot be read: {situation.unseen}"
    if situation.unrecorded:
        command = f"slipway history --environment {situation.environment} --record {situation.unrecorded}"
        yield "ledger", f"lacks the deployment in {situation.unrecorded}; `{command}` records it"


def _deployment(release: Release) -> str:
    """Return a line such as `deployment 4, rollback, 2026-11-27 23:09:38Z, by ann@laptop`. A failure's status is added."""
    by = f", by {release.holder}" if release.holder else ""
    ended = f", {release.status.value}" if release.status.exit_code else ""
    return f"deployment {release.number}, {release.verb.value}, {moment(release.ended)}{by}{ended}"


def _what(deployment: OpenDeployment, digits: int = 64) -> str:
    """Return words such as `deploy of sha256:…, commit 1a2b3c4, by ann@laptop`.

    `digits` is the number of the digest's digits.
    """
    image = deployment.image.partition("@")[2][: len("sha256:") + digits]
    facts = [
        f"{deployment.verb.value} of {image}" if image else deployment.verb.value,
        f"commit {deployment.commit[:7]}" if deployment.commit else "",
        f"by {deployment.holder}" if deployment.holder else "",
    ]
    return ", ".join(filter(None, facts))


def _resumption(deployment: OpenDeployment, environment: str) -> str:
    """Return the command that resumes a deployment. The ledger does not record the source of a promotion."""
    if deployment.verb is Verb.PROMOTE:
        return f"`slipway promote --from ENVIRONMENT --to {environment}` resumes it"
    if deployment.verb in _DIRECTIONS:
        return f"`slipway move --environment {environment} {_DIRECTIONS[deployment.verb]}` resumes it"
    image = f" --image {deployment.image}" if deployment.verb is Verb.DEPLOY else ""
    confirmed = " --confirm SERVICE" if deployment.verb is Verb.DESTROY else ""
    return f"`slipway {deployment.verb.value} --environment {environment}{image}{confirmed}` resumes it"


def _readiness(readiness: Readiness) -> str:
    known = [
        ("commit {}", readiness.commit),
        ("knows revision {}", _known_heads(readiness.image)),
        ("database {}", "unreachable" if readiness.unreachable else None),
        ("database at {}", _known_heads(readiness.database)),
    ]
    return ", ".join(words.format(value) for words, value in known if value)


def _known_heads(revisions: Heads | None) -> str | None:
    return None if revisions is None else heads(revisions)


@in_lines
def of_history(history: History) -> Iterator[str]:
    """Render each deployment in lines of at most 80 columns, newest first."""
    entries = {number: [_row(number, NOT_ENDED)] for number in history.unfinished}
    entries |= {each.number: [_row(each.number, NOT_ENDED), *_wrapped(_what(each, 12))] for each in history.open}
    entries |= {release.number: _release_lines(release) for release in history.releases}
    lines = [line for number in sorted(entries, reverse=True) for line in entries[number]]
    yield f"{one_line(history.environment)}:{'' if lines else ' nothing has been deployed by slipway yet'}"
    yield from (*lines, *older(history))


def older(history: History) -> tuple[str, ...]:
    """Return the number of deployments that are not listed, and how to list them; empty when all are listed."""
    every = history.newest
    return (f"{history.older} older ones are not listed; --limit {every} lists all",) if history.older else ()


def _row(number: int, text: str) -> str:
    return f"{number:>4}  {text}"


def _release_lines(release: Release) -> list[str]:
    what = f"{release.verb.value:<8}  {release.status.value:<15}  {duration(release.seconds):>10}"
    commit = one_line(release.commit or "")[:7]
    image = one_line(release.image).partition("@")[2][: len("sha256:") + 12]
    joint = f"in release {release.joint} of several services" if release.joint else ""
    whose = " ".join(filter(None, [image, f"by {release.holder}" if release.holder else "", joint]))
    changes = f"changed {', '.join(release.changes)}" if release.changes else ""
    risk = f"without certificate: {release.risk}" if release.risk else ""
    first = _row(release.number, f"{moment(release.ended)}  {what}  {commit}".rstrip())
    return [first, *(line for text in (whose, changes, release.cause, risk) for line in _wrapped(text))]


def _wrapped(text: str) -> list[str]:
    """Return untrusted text as lines below a row of the history. Long words, such as URLs, are not broken."""
    return wrap(
        one_line(text, 600),
        80,
        initial_indent=" " * 6,
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


@in_lines
def of_release_watch(watch: ReleaseWatch) -> Iterator[str]:
    """Render how a watched release behaved; a problem has the way back."""
    environment = one_line(watch.environment)
    yield f"{watch.status.value} {environment} after {duration(watch.seconds)}: {counted(watch.errors, 'line')} of errors in its log"
    if watch.problem:
        yield f"  cause:     {one_line(watch.problem, 600)}"
    if watch.problem or watch.errors:
        yield f"  remedy:    look at `slipway logs --environment {environment}`; `slipway rollback --environment {environment}` goes back"


@in_lines
def of_log(log: Log) -> Iterator[str]:
    """Render a log, one line for each of its lines, oldest first."""
    return map(of_log_line, log.lines)


def of_log_line(line: LogLine) -> str:
    """Return a log's line such as `2026-11-27 23:09:38.512Z  application  …`. The text keeps its indentation."""
    text = line.text.expandtabs(4)
    indent = " " * min(len(text) - len(text.lstrip(" ")), 40)
    return f"{moment(line.at, 'milliseconds')}  {line.source.value:<11}  {indent}{one_line(text, 8000)}".rstrip()


@in_lines
def of_examination(examination: Examination) -> Iterator[str]:
    """Render how the newest deployment ended and why, and whether the live release answers."""
    yield examined(examination)
    yield from _diagnosis(examination.diagnosis)
    answer = [*answered(examination.answer, examination.way_out)]
    answer[1:1] = [("log", line) for line in examination.log]
    yield from (f"  {f'{name}:':<11}{one_line(value, 600)}" for name, value in answer)


def answered(answer: Answer | None, way_out: str) -> Iterator[tuple[str, str]]:
    """Yield by name whether the live release answers, and what to do when it does not.

    Yield nothing when it was not requested.
    """
    if answer and answer.problem:
        yield "answers", f"no: {answer.problem}"
        if way_out:
            yield "way out", way_out
    elif answer and answer.paths:
        yield "answers", f"yes: {', '.join(answer.paths)}"


def examined(examination: Examination) -> str:
    """Return a line such as `production: deployment 4, operation 1a2b, rolled back`."""
    number = f"deployment {examination.number}" if examination.number else ""
    operation = f"operation {examination.operation}" if examination.operation else ""
    return one_line(
        f"{examination.environment}: {', '.join(filter(None, [number, operation, examination.ending]))}", 600
    )


_FORWARD = "--to ecs-express"
_DIRECTIONS = {Verb.MOVE: _FORWARD, Verb.SHIFT: _FORWARD, Verb.SHIFT_BACK: "--back"}
_NOUNS = {
    Verb.PROMOTE: "promotion of ",
    Verb.ROLLBACK: "rollback of ",
    Verb.PAUSE: "pause of ",
    Verb.RESUME: "resumption of ",
    Verb.DESTROY: "deletion of ",
    Verb.ABORT: "abort of a deployment of ",
    Verb.MOVE: "move of ",
    Verb.SHIFT: "move of the traffic of ",
    Verb.SHIFT_BACK: "return of the traffic of ",
}


def action(verb: Verb) -> str:
    """Return words for the front of a service's name, such as `rollback of `; empty for a deployment."""
    return _NOUNS.get(verb, "")


@in_lines
def of_outcome(outcome: Outcome) -> Iterator[str]:
    """Render what happened and, after a failure, its cause, evidence and remedy."""
    service, environment = one_line(outcome.service), one_line(outcome.environment)
    number = f", deployment {outcome.number}" if outcome.number else ""
    what = action(outcome.verb)
    yield f"{outcome.status.value} {what}{service} in {environment} after {duration(outcome.seconds)}{number}"
    if outcome.requested:
        yield f"  requested: {one_line(outcome.requested)}"
    before = outcome.live == outcome.requested and outcome.status in (Status.ROLLED_BACK, Status.ABORTED)
    yield f"  live:      {one_line(outcome.serving)}{', the same digest, with the settings of the deployment before' if before else ''}"
    if outcome.live and outcome.url:
        yield f"  url:       {_url(one_line(outcome.url, 600))}"
    if outcome.migration:
        yield f"  database:  {migrated(outcome.migration)}"
    yield from _diagnosis(outcome.diagnosis)
    if outcome.status is not Status.UNANSWERED:  # UNANSWERED already shows this problem as its cause
        for name, value in answered(outcome.answer, outcome.way_out):
            yield f"  {f'{name}:':<11}{one_line(value, 600)}"
    if outcome.note:
        yield f"  note:      {one_line(outcome.note, 600)}"


def _url(host: str) -> str:
    """Return the public URL of a host. Platforms serve HTTPS, a simulator on this machine serves HTTP."""
    return f"{'http' if host.startswith('127.0.0.1') else 'https'}://{host}"


def migrated(migration: Migration) -> str:
    """Return the heads before and after a migration in one line."""
    if migration.unseen:
        return f"migrated, but the applied revisions are unknown: {one_line(migration.unseen)}"
    after = heads(migration.after)
    if migration.failed:
        return (
            f"{heads(migration.before)} -> {after}, then a revision failed"
            if migration.applied
            else f"stays at {after}"
        )
    return f"{heads(migration.before)} -> {after}" if migration.applied else f"already at {after}"


def _diagnosis(diagnosis: Diagnosis | None) -> Iterator[str]:
    if diagnosis:
        yield f"  cause:     {one_line(diagnosis.cause)}"
        yield from (f"  log:       {one_line(line)}" for line in diagnosis.lines)
        yield f"  remedy:    {one_line(diagnosis.remedy, 600)}"
