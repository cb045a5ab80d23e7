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
    MOVE = "move"  # the new service of a move is created beside the old one
    SHIFT = "shift"  # a move sends traffic to the new service
    SHIFT_BACK = "back"  # a move sends the traffic back to the old service


class Status(Enum):
    """How a run ended. The exit code is 0 only when the requested state is live.

    For a release this means that its digest is live, healthy and answers.
    """

    SUCCEEDED = "SUCCEEDED"
    NOOP = "NOOP"
    UNANSWERED = "UNANSWERED"  # live on the platform, but the public address does not answer as it should
    ROLLED_BACK = "ROLLED_BACK"  # rolled back by the platform
    ABORTED = "ABORTED"  # rolled back by a person, as `slipway abort` does
    CREATE_FAILED = "CREATE_FAILED"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    FAILED = "FAILED"  # a pause, resumption, deletion or abort has failed
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
    """Why a run failed: the cause that `rule` found, and the remedy.

    - lines: the evidence in the log (untrusted text).
    - place: where the evidence is, such as `application log, line 3`.
    - quotes: words of the application that cause and remedy contain.
    """

    rule: str
    cause: str
    lines: tuple[str, ...]
    remedy: str
    place: str = ""
    quotes: tuple[str, ...] = ()

    @property
    def kept(self) -> "Diagnosis":
        """The diagnosis for ledger, JSON and reports: without the application's own words, which may contain a secret."""
        cause, remedy = self.cause, self.remedy
        for quote in sorted((quote for quote in self.quotes if len(quote) > 2), key=len, reverse=True):
            cause, remedy = cause.replace(quote, "…"), remedy.replace(quote, "…")
        return replace(self, cause=cause, lines=(), remedy=remedy, quotes=())


@dataclass(frozen=True, kw_only=True)
class Outcome(Record, schema="slipway/outcome/1"):
    """The requested and the live state after a run.

    - requested: a digest; empty for commands without an image.
    - live: the serving digest; None when nothing serves, or when the digest is unknown.
    - unseen: whether the serving digest is unknown: the service could not be read, or it runs an image by its tag.
    - seconds: on the platform's clock.
    - number: the deployment's number in the ledger, or None.
    - migration: the migration of the database, even when the release failed after it.
    - answer: the answer of the release that is live at the end; None when it was not requested.
    - way_out: what to do when the release does not answer, otherwise empty.
    - note: a fact that a person should know, or a task that is left, otherwise empty.
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
        """The outcome without the application's own words."""
        return replace(self, diagnosis=self.diagnosis.kept) if self.diagnosis else self

    @property
    def serving(self) -> str:
        """The serving digest, `unknown` or `nothing`."""
        return self.live or ("unknown" if self.unseen else "nothing")


ABORTED = "aborted"
NOTHING = "no operation found: nothing was changed, or the service no longer exists"


@dataclass(frozen=True, kw_only=True)
class Examination(Record, schema="slipway/examination/1"):
    """The newest operation of a service (None when there is none), how it ended, and why it failed.

    - number: the deployment's number in the ledger; None for another client's operation, or when the ledger cannot be
      read.
    - answer: the answer of the release that is live now; None when it was not requested.
    - way_out: what to do when the release does not answer, otherwise empty.
    - log: the newest error in the log of a release that does not answer (untrusted text).
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
        """The examination without the application's own words."""
        return replace(self, diagnosis=self.diagnosis and self.diagnosis.kept, log=())

    @property
    def exit_code(self) -> int:
        """0 after success, 1 after a failure or when the live release does not answer, 3 while the end is unknown, 4 after an abort."""
        if self.answer and self.answer.problem:
            return 1
        return {"succeeded": 0, NOTHING: 0, "in flight": 3, "unknown": 3, ABORTED: 4}.get(self.ending, 1)
