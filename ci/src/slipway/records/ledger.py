"""The ledger: immutable records of every deployment of an environment.

Deployments are numbered from 1. Each has up to four records. Its Intent is a place in the queue. Its Lock is the
permission to change the service. Its Accepted record is the platform's operation, and its Release is the end. A number
with an Intent but no Release belongs to a deployment that is running or was killed.
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

    - settings: the part of [tool.slipway] that describes the service, as JSON, without the values of `hidden`
      variables.
    - hidden: hashes of the values of variables that are, or look like, secrets.
    - salt: random text that is hashed before each of these values.
    - versions: the versions of the secrets, by variable, that were in use when the release was deployed. Versions that
      could not be read are left out.
    - addresses: the addresses of the services that the release called, by variable. A rollback reads the present
      addresses where it can.
    """

    settings: str
    salt: str
    hidden: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class JointRelease:
    """A joint release, with the images in the order of their deployment. `id` is computed from environment and images."""

    id: str
    images: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Intent(Record, schema="slipway/intent/1"):
    """The change that a deployment intends.

    - wanted: hash of the desired service.
    - fingerprint: hash of the observed state from which the plan was made.
    - specification: the settings of the release; None for a command without a release.
    - joint: the joint release to which the deployment belongs, or None.
    - changes: the changes of the live service besides its image, in words, without values of variables; empty for a new
      service, or when they are unknown.
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
    """The deployment that may change the service.

    - newest: the newest operation before this deployment; later operations are its own.
    """

    environment: str
    number: int
    holder: str
    newest: str | None
    nonce: str


@dataclass(frozen=True, kw_only=True)
class Accepted(Record, schema="slipway/accepted/1"):
    """The platform's operation for a deployment; `arn` is the service's ARN."""

    environment: str
    number: int
    arn: str
    operation: str
    creating: bool


@dataclass(frozen=True, kw_only=True)
class Release(Record, schema="slipway/release/1"):
    """How a deployment ended.

    - live: the digest that served at the end.
    - ended: Unix time, on the clock of the run's machine; on the platform's clock when no run recorded the end.
    - seconds: how long the deployment took; 0 when unknown.
    - holder: the person or job that deployed.
    - heads: the heads of the image's history; None when unknown.
    - database: the heads of the database at the end; None when unknown.
    - commit: the commit of the image's source.
    - risk: why a required proof was waived; empty when no proof was required.
    - wanted: hash of the desired service, as in the intent; empty when it was not recorded.
    - joint: the id of the joint release to which the deployment belongs, or empty.
    - url: the public address that was requested at the end; None when none was requested.
    - changes: as in the intent.
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
        """The heads of release and database, and the commit, as the ledger recorded them."""
        return Readiness(self.heads, self.database, self.commit)


@dataclass(frozen=True)
class LedgerBlock(Record, schema="slipway/ledgerblock/1"):
    """A record that joins up to a hundred old deployments: their records by the names under which they were stored."""

    environment: str
    records: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class OpenDeployment:
    """A deployment without a recorded end: its run continues, was killed, or ended as UNKNOWN.

    - commit: the commit of its image; None when unknown.
    - may_migrate: whether its migration may still run, because the ledger has neither its end nor an operation.
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

    - releases: the deployments that have ended, newest first.
    - unfinished: the numbers of deployments without an end.
    - open: the unfinished deployments whose intents could be read.
    - older: how many older deployments were not read.
    """

    environment: str
    releases: tuple[Release, ...]
    unfinished: tuple[int, ...] = ()
    open: tuple[OpenDeployment, ...] = ()
    older: int = 0

    @property
    def newest(self) -> int:
        """The newest number; 0 before the first deployment."""
        return max((*self.unfinished, *(release.number for release in self.releases)), default=0)


@dataclass(frozen=True, kw_only=True)
class Address(Record, schema="slipway/address/1"):
    """The public URL of a service."""

    environment: str
    url: str


@dataclass(frozen=True, kw_only=True)
class ReleaseWatch(Record, schema="slipway/release-watch/1"):
    """The result of watching the live release for some seconds.

    - status: SUCCEEDED when the release was live and answered all the time, UNANSWERED when it stopped answering,
      SUPERSEDED when another release replaced it.
    - errors: the number of lines in the logs that look like errors.
    - problem: why the watch ended early, otherwise empty.
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

    - live: the deployment that released the live digest; None when the ledger has none.
    - newest: the last deployment to end, by any command.
    - unfinished: the numbers of deployments without an end.
    - open: descriptions of the unfinished deployments.
    - unseen: why the ledger could not be read, otherwise empty.
    - unobserved: why the platform could not be read, otherwise empty.
    - remembered: the deployment whose recorded address was requested because the platform's could not be read, or None.
    - differs: the fields in which the service differs from the settings of `live`, as far as the ledger recorded them.
    - instances: how many instances run, in words; empty when unknown.
    - readiness: the live release's statement at its health path, or None.
    - asked: the paths that were requested, including the smoke paths.
    - unanswered: why users get no answer, or errors, otherwise empty.
    - way_out: what to do about `unanswered`.
    - traffic: how a move has divided the traffic, when this service does not get all of it; otherwise empty.
    - unrecorded: the file in this folder with a deployment that the ledger lacks, otherwise empty.
    - names: the service's own domain names at its load balancer, which were requested, too.
    - unnamed: why these names could not be read, otherwise empty.
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
        """1 when the service exists and does not answer, 3 when its state is unknown, otherwise 0.

        A paused service, and no service at all, have 0.
        """
        if self.unanswered or self.observed.state in (State.CREATE_FAILED, State.DELETE_FAILED):
            return 1
        return 3 if self.observed.state is State.UNKNOWN else 0
