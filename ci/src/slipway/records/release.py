"""What is written down of each deployment of an environment, one record after the other; none is ever changed.

Deployments are numbered from 1. An Intent is a place in the queue, a Lock the turn to change the service, an Accepted the platform's word that
it has begun, a Release the end. A number with an Intent and without a Release belongs to a deployment that goes on, or was killed.
"""

from dataclasses import dataclass
from typing import ClassVar

from slipway.records.outcome import Status


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Lock:
    """Whose turn it is. `newest` is the operation that was the service's newest before, so that what this turn has begun can be told from it."""

    SCHEMA: ClassVar[str] = "slipway/lock/1"

    environment: str
    number: int
    holder: str
    newest: str | None
    nonce: str


@dataclass(frozen=True)
class Accepted:
    """The platform's operation for a deployment; `arn` is the service's."""

    SCHEMA: ClassVar[str] = "slipway/accepted/1"

    environment: str
    number: int
    arn: str
    operation: str
    creating: bool


@dataclass(frozen=True)
class Release:
    """How a deployment ended. `ended` is seconds since 1970 in the platform's time, `live` the digest that answered then."""

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


@dataclass(frozen=True)
class History:
    """Deployments of an environment that have ended, newest first; `unfinished` are the numbers of those that have not."""

    SCHEMA: ClassVar[str] = "slipway/history/1"

    environment: str
    releases: tuple[Release, ...]
    unfinished: tuple[int, ...] = ()
