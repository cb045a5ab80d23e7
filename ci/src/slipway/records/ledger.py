"""What is written down of each deployment of an environment, one record after the other; none is ever changed.

Deployments are numbered from 1. An Intent is a place in the queue, a Lock the turn to change the service, an Accepted the platform's word that
it has begun, a Release the end. A number with an Intent and without a Release belongs to a deployment that goes on, or was killed.
"""

from dataclasses import dataclass
from typing import ClassVar

from slipway.records.migration import Heads, Readiness
from slipway.records.outcome import Status, Verb
from slipway.records.plan import Observed


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What a deployment is about to do. `wanted` is a hash of the desired service, `fingerprint` that of the state its plan was made from."""

    SCHEMA: ClassVar[str] = "slipway/intent/1"

    environment: str
    number: int
    image: str
    wanted: str
    fingerprint: str
    holder: str
    nonce: str
    verb: Verb = Verb.DEPLOY


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Whose turn it is. `newest` is the operation that was the service's newest before, so that what this turn has begun can be told from it."""

    SCHEMA: ClassVar[str] = "slipway/lock/1"

    environment: str
    number: int
    holder: str
    newest: str | None
    nonce: str


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The platform's operation for a deployment; `arn` is the service's."""

    SCHEMA: ClassVar[str] = "slipway/accepted/1"

    environment: str
    number: int
    arn: str
    operation: str
    creating: bool


@dataclass(frozen=True, kw_only=True)
class Release:
    """How a deployment ended.

    - live: the digest that answered then. ended: seconds since 1970 in the platform's time. holder: who it was.
    - heads: the revisions that the image knows last. database: where its database stood at the end. Each None when nobody could say.
    - commit: what the image was built from. risk: why it went without a proof that was asked for; empty when there was no need.
    """

    SCHEMA: ClassVar[str] = "slipway/release/1"

    environment: str
    number: int
    image: str
    status: Status
    live: str | None
    operation: str | None
    ended: int
    seconds: float
    cause: str = ""
    verb: Verb = Verb.DEPLOY
    holder: str = ""
    heads: Heads | None = None
    database: Heads | None = None
    commit: str | None = None
    risk: str = ""

    @property
    def readiness(self) -> Readiness:
        """What was known of the release and its database at that time."""
        return Readiness(self.heads, self.database, self.commit)


@dataclass(frozen=True)
class History:
    """Deployments of an environment that have ended, newest first; `unfinished` are the numbers of those that have not."""

    SCHEMA: ClassVar[str] = "slipway/history/1"

    environment: str
    releases: tuple[Release, ...]
    unfinished: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the platform, the ledger and the release say, each as far as it could be asked.

    - live: the deployment that brought the live digest; None when the ledger has none that did. newest: the last that has ended, of whatever verb.
    - unfinished: the numbers of those that have not ended. unseen: why the ledger could not be read; empty when it could.
    - readiness: what the live release says at its health path; None when it says nothing.
    """

    SCHEMA: ClassVar[str] = "slipway/situation/1"

    environment: str
    observed: Observed
    live: Release | None = None
    newest: Release | None = None
    unfinished: tuple[int, ...] = ()
    readiness: Readiness | None = None
    unseen: str = ""
