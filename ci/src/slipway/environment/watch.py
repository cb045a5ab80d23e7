"""The watch over a release after its deployment: whether it stays live and answers, and the errors that it logs."""

from datetime import timedelta
from typing import Final

from slipway.environment.logs import LogReader, is_error
from slipway.environment.observed import ObservedEnvironment
from slipway.environment.opened import digest_in, existing
from slipway.errors import SlipwayError
from slipway.records.ledger import ReleaseWatch
from slipway.records.logs import LogLine
from slipway.records.outcome import Status
from slipway.records.plan import State
from slipway.records.progress import Event, Tell

_POLL_SECONDS: Final = 15.0
_MOST_SHOWN: Final = 3  # lines shown at one time


async def watched(environment: ObservedEnvironment, span: timedelta, tell: Tell) -> ReleaseWatch:
    """Check the live release until the span has passed or the release no longer answers.

    Raise SlipwayError when it cannot be read.
    """
    observed = await existing(environment)
    digest = digest_in(environment, observed)
    time, began, count = environment.time, environment.time.now(), 0
    reader = LogReader(environment, observed.arn or "", began)
    while True:
        status, problem = await _seen(environment, digest)
        passed = time.now() - began
        errors = await _errors(environment, reader, tell)
        for line in errors[:_MOST_SHOWN]:
            tell(Event(f"log: {line.text}"))
        count += len(errors)
        if status is not Status.SUCCEEDED or passed >= span:
            return ReleaseWatch(
                environment=environment.name,
                digest=digest,
                status=status,
                seconds=passed.total_seconds(),
                errors=count,
                problem=problem,
            )
        await time.sleep(min(_POLL_SECONDS, (span - passed).total_seconds()))


async def _seen(environment: ObservedEnvironment, digest: str) -> tuple[Status, str]:
    """Return SUCCEEDED while the release is live and answers, otherwise another status and the reason."""
    observed = await environment.status()
    if observed.state is State.BUSY:
        return Status.SUCCEEDED, ""
    if observed.state is not State.LIVE:
        return Status.UNANSWERED, f"the service is {observed.status or 'gone'}"
    if observed.digest != digest:
        return Status.SUPERSEDED, f"another release is live: {observed.digest or 'it is not named by digest'}"
    problem = await environment.smoke_failure(observed)
    return (Status.UNANSWERED, problem) if problem else (Status.SUCCEEDED, "")


async def _errors(environment: ObservedEnvironment, reader: LogReader, tell: Tell) -> tuple[LogLine, ...]:
    """Return the new lines that look like errors; none when the log cannot be read."""
    try:
        lines = await reader.new()
    except SlipwayError as error:
        tell(Event(f"the log cannot be read: {error}"))
        return ()
    return tuple(line for line in lines if is_error(line, environment.platform.words))
