"""The ledger: immutable records of every deployment of an environment.

Deployments are numbered from 1. An Intent is a place in the queue, a Lock the permission to change the service, an Accepted the
platform's operation, a Release the end. A number with an Intent but no Release belongs to a deployment that is running or was killed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from slipway.records.form import Record
from slipway.records.migration import Heads, Readiness
from slipway.records.outcome import Status, Verb
from slipway.records.plan import Observed, State


@dataclass(frozen=True, kw_only=True)
class Specification:
    """The settings of a release, with which it can be deployed again.

    - settings: the part of [tool.slipway] that makes the service, as JSON; without the values of `hidden` variables.
    - hidden: hashes of the values of variables that are, or look like, secrets; `salt` is hashed before each value.
    - versions: of the secrets, by variable, as they were in use when the release was deployed; those that were not read are left out.
    - addresses: of the services that it called, by variable; a rollback reads the present ones where it can.
    """

    settings: str
    salt: str
    hidden: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JointRelease:
    """A joint release, services in the order of their deployment; `id` follows from environment and images."""

    id: str
    images: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Intent(Record, schema="slipway/intent/1"):
    """The change that a deployment intends.

    - wanted: hash of the desired service. fingerprint: of the observed state that the plan was made from.
    - specification: of the release; None for a command without one.
    - joint: the joint release that it is a part of, or None.
    - changes: of the live service besides its image, in words without values of variables; empty for a new service, or when they are unknown.
    """

    environment: str
    number: int
    image: str
    wanted: str
    fingerprint: str
    holder: str
    nonce: str
    verb: Verb = Verb.DEPLOY
    specification: Specification | None = None
    joint: JointRelease | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lock(Record, schema="slipway/lock/1"):
    """The deployment that may change the service; `newest` is the newest operation before it, so that later ones are its own."""

    environment: str
    number: int
    holder: str
    newest: str | None
    nonce: str


@dataclass(frozen=True, kw_only=True)
class Accepted(Record, schema="slipway/accepted/1"):
    """The platform's operation for a deployment; `arn` is the service's."""

    environment: str
    number: int
    arn: str
    operation: str
    creating: bool


@dataclass(frozen=True, kw_only=True)
class Release(Record, schema="slipway/release/1"):
    """How a deployment ended.

    - live: the digest that served at the end. ended: Unix time of the run's machine, or of the platform without a run. seconds: 0 when unknown. holder: the person or job that deployed.
    - heads: of the image's history. database: heads of its database at the end. Both are None when unknown.
    - commit: the image's source. risk: why a required proof was waived; empty when none was required.
    - wanted: hash of the desired service, as in its intent; empty when it was not recorded.
    - joint: the id of the joint release that it was a part of, or empty.
    - url: the public address that was asked at the end; None when none was. changes: as in its intent.
    """

    environment: str
    number: int
    image: str
    status: Status
    live: str | None
    operation: str | None
    ended: int
    seconds: float
    cause: str = ""
    remedy: str = ""
    verb: Verb = Verb.DEPLOY
    holder: str = ""
    heads: Heads | None = None
    database: Heads | None = None
    commit: str | None = None
    risk: str = ""
    wanted: str = ""
    joint: str = ""
    url: str | None = None
    changes: tuple[str, ...] = ()

    @property
    def readiness(self) -> Readiness:
        """The release's heads, its database's heads and its commit at that time."""
        return Readiness(self.heads, self.database, self.commit)


@dataclass(frozen=True)
class LedgerBlock(Record, schema="slipway/ledgerblock/1"):
    """The records of up to a hundred old deployments, by the names under which they were stored one by one."""

    environment: str
    records: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class OpenDeployment:
    """A deployment without an end: its run continues, was killed, or ended as UNKNOWN.

    - commit: of its image; None when it is unknown. may_migrate: whether its migration may still run, as neither its end nor an operation is recorded.
    """

    number: int
    verb: Verb
    image: str
    holder: str
    commit: str | None = None
    may_migrate: bool = False


@dataclass(frozen=True, kw_only=True)
class History(Record, schema="slipway/history/1"):
    """The newest deployments of an environment.

    - releases: those that have ended, newest first. unfinished: the numbers of the others; `open` describes those that were read.
    - older: how many older ones were not read.
    """

    environment: str
    releases: tuple[Release, ...]
    unfinished: tuple[int, ...] = ()
    open: tuple[OpenDeployment, ...] = ()
    older: int = 0

    @property
    def newest(self) -> int:
        """The newest number; 0 before the first."""
        return max((*self.unfinished, *(release.number for release in self.releases)), default=0)


@dataclass(frozen=True, kw_only=True)
class Address(Record, schema="slipway/address/1"):
    """The public URL of a service."""

    environment: str
    url: str


@dataclass(frozen=True, kw_only=True)
class ReleaseWatch(Record, schema="slipway/release-watch/1"):
    """The live release, watched for some seconds.

    - status: SUCCEEDED when it was live and answered all the time, UNANSWERED when it stopped, SUPERSEDED when another came.
    - errors: lines of the logs that look like errors. problem: why the watch ended early, otherwise empty.
    """

    environment: str
    digest: str
    status: Status
    seconds: float
    errors: int
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Situation(Record, schema="slipway/situation/1"):
    """An environment as the platform, the ledger and the live release report it.

    - live: the deployment that released the live digest; None when the ledger has none. newest: the last one to end, of any command.
    - unfinished: numbers of deployments without an end, which `open` describes. unseen: why the ledger could not be read, otherwise empty.
    - unobserved: why the platform could not be read, otherwise empty. remembered: the deployment whose recorded address was asked instead, or None.
    - differs: the fields in which the service is not as `live` made it, as far as its settings were recorded.
    - instances: how many run, empty when that is unknown.
    - readiness: the live release's statement at its health path, or None. asked: the paths that were asked, with the smoke paths.
    - unanswered: why users get no answer, or errors, otherwise empty. way_out: what to do about that.
    - traffic: how a move has left the traffic, when it is not here alone; otherwise empty.
    - unrecorded: the file in this folder with a deployment that the ledger lacks; otherwise empty.
    - names: the service's own, at its load balancer, under which it was asked too. unnamed: why they could not be read, otherwise empty.
    """

    environment: str
    observed: Observed
    live: Release | None = None
    newest: Release | None = None
    unfinished: tuple[int, ...] = ()
    open: tuple[OpenDeployment, ...] = ()
    readiness: Readiness | None = None
    unseen: str = ""
    unobserved: str = ""
    remembered: int | None = None
    instances: str = ""
    asked: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    unanswered: str = ""
    traffic: str = ""
    way_out: str = ""
    unrecorded: str = ""
    names: tuple[str, ...] = ()
    unnamed: str = ""

    @property
    def exit_code(self) -> int:
        """1 when the service exists and does not answer, 3 when its state is unknown; 0 otherwise, also when there is none, or it is paused."""
        if self.unanswered or self.observed.state in (State.CREATE_FAILED, State.DELETE_FAILED):
            return 1
        return 3 if self.observed.state is State.UNKNOWN else 0
