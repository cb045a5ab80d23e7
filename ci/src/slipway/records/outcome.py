"""Outcome: how a run that changes a service ended, with the evidence."""

from dataclasses import dataclass, replace
from enum import Enum

from slipway.records.answer import Answer
from slipway.records.form import Record
from slipway.records.migration import Migration


class Verb(Enum):
    """The commands that change a service."""

    DEPLOY = "deploy"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    PAUSE = "pause"
    RESUME = "resume"
    DESTROY = "destroy"
    ABORT = "abort"
    MOVE = "move"  # the new service beside the old one
    SHIFT = "shift"  # the traffic of a move
    SHIFT_BACK = "back"  # the traffic goes back


class Status(Enum):
    """How a run ended. The exit code is 0 only when the requested state is live; for a release: its digest is live, healthy and answers."""

    SUCCEEDED = "SUCCEEDED"
    NOOP = "NOOP"
    UNANSWERED = "UNANSWERED"  # live on the platform, but its public address does not answer as it should
    ROLLED_BACK = "ROLLED_BACK"  # by the platform
    ABORTED = "ABORTED"  # rolled back by a person, as `slipway abort` does
    CREATE_FAILED = "CREATE_FAILED"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    FAILED = "FAILED"  # of a pause, resumption, deletion or abort
    SUPERSEDED = "SUPERSEDED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"

    @property
    def exit_code(self) -> int:
        if self in (Status.SUCCEEDED, Status.NOOP):
            return 0
        return {Status.UNKNOWN: 3, Status.ABORTED: 4}.get(self, 1)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Why a run failed: the cause that `rule` found, its evidence in the log (untrusted text), and the remedy.

    - place: of the evidence, such as `application log, line 3`. quotes: words of the application in cause and remedy.
    """

    rule: str
    cause: str
    lines: tuple[str, ...]
    remedy: str
    place: str = ""
    quotes: tuple[str, ...] = ()

    @property
    def kept(self) -> "Diagnosis":
        """The record for the ledger, JSON and reports: without lines of the application, which may contain a secret."""
        cause, remedy = self.cause, self.remedy
        for quote in sorted((quote for quote in self.quotes if len(quote) > 2), key=len, reverse=True):
            cause, remedy = cause.replace(quote, "…"), remedy.replace(quote, "…")
        return replace(self, cause=cause, lines=(), remedy=remedy, quotes=())


@dataclass(frozen=True, kw_only=True)
class Outcome(Record, schema="slipway/outcome/1"):
    """The requested and the live state after a run.

    - requested: a digest, or empty for commands without one. live: the serving digest; None when nothing serves, or when that is unknown.
    - unseen: whether the serving digest is unknown: it could not be read, or the service runs an image by its tag.
    - seconds: of the platform's clock. number: of the deployment in the ledger, or None.
    - migration: of the database, even when the release failed afterwards.
    - answer: of the release that is live at the end; None when it was not asked. way_out: what to do when it does not answer; otherwise empty.
    - note: what a person should know, or is left to do; otherwise empty.
    """

    environment: str
    service: str
    status: Status
    requested: str
    live: str | None
    url: str | None
    seconds: float
    unseen: bool = False
    operation: str | None = None
    diagnosis: Diagnosis | None = None
    verb: Verb = Verb.DEPLOY
    number: int | None = None
    migration: Migration | None = None
    answer: Answer | None = None
    way_out: str = ""
    note: str = ""

    @property
    def kept(self) -> "Outcome":
        """The record without lines of the application."""
        return replace(self, diagnosis=self.diagnosis.kept) if self.diagnosis else self

    @property
    def serving(self) -> str:
        """The serving digest, `unknown` or `nothing`."""
        return self.live or ("unknown" if self.unseen else "nothing")


ABORTED = "aborted"
NOTHING = "no operation found: nothing was changed, or the service no longer exists"


@dataclass(frozen=True, kw_only=True)
class Examination(Record, schema="slipway/examination/1"):
    """The newest operation of a service (None without one), how it ended, and why it failed.

    - number: the deployment's in the ledger; None for another client's, or when the ledger cannot be read.
    - answer: of the release that is live now; None when it was not asked. way_out: what to do when it does not answer, otherwise empty.
    - log: the newest error in its log when it does not answer (untrusted text).
    """

    environment: str
    operation: str | None
    ending: str
    diagnosis: Diagnosis | None = None
    number: int | None = None
    answer: Answer | None = None
    way_out: str = ""
    log: tuple[str, ...] = ()

    @property
    def kept(self) -> "Examination":
        """The record without lines of the application."""
        return replace(self, diagnosis=self.diagnosis and self.diagnosis.kept, log=())

    @property
    def exit_code(self) -> int:
        """0 after success, 1 after failure or when the live release does not answer, 3 while the ending is unknown, 4 when a person aborted it."""
        if self.answer and self.answer.problem:
            return 1
        return {"succeeded": 0, NOTHING: 0, "in flight": 3, "unknown": 3, ABORTED: 4}.get(self.ending, 1)
