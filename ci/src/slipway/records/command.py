"""Records of commands about slipway itself: an explanation, a completion script, the simulator's address, the cache."""

from dataclasses import dataclass
from enum import Enum

from slipway.records.form import Record


@dataclass(frozen=True)
class Explanation(Record, schema="slipway/explanation/1"):
    """The text about a rule or a command. `subject` is its id or name; empty for the list of all rules."""

    subject: str
    text: str


@dataclass(frozen=True)
class Completion(Record, schema="slipway/completion/1"):
    """The completion script of a shell."""

    shell: str
    script: str


@dataclass(frozen=True)
class Listening(Record, schema="slipway/listening/1"):
    """The simulated account, which listens at `url` on this machine only."""

    url: str


class CacheKind(Enum):
    """The kind of an entry of the cache."""

    ENVIRONMENT = "environment"  # the virtual environment of a service, made from its lock file
    SERVER = "server"  # an initialised Postgres server
    DATABASES = "databases"  # databases in the state after the old revisions of a history
    RELEASE = "release"  # the models of a previous release


@dataclass(frozen=True)
class CacheEntry:
    """A folder of the cache.

    - name: relative to the cache.
    - bytes: its size on the disk.
    - used: the time of its last use, in seconds since 1970.
    """

    kind: CacheKind
    name: str
    bytes: int
    used: int


@dataclass(frozen=True, kw_only=True)
class CacheReport(Record, schema="slipway/cachereport/1"):
    """The state of the cache in `folder`, which is pruned to `limit` bytes once a day.

    - removed: the entries that this command removed.
    """

    folder: str
    limit: int
    entries: tuple[CacheEntry, ...]
    removed: tuple[CacheEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CommandRun(Record, schema="slipway/command-run/1"):
    """The result of `slipway run`: a command that ran in its own ECS task, from the live image of an environment."""

    environment: str
    image: str
    task: str
    exit_code: int
