"""A run of the gate: its question, with the previous release and what to compare with, its listing of revisions, its progress."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from slipway.records.form import Record
from slipway.records.proof import Layer
from slipway.records.refusal import Refusal


@dataclass(frozen=True)
class Listed:
    """A revision of the history and its place.

    - file: relative to the service's folder. line: of its `upgrade`. new: whether its findings are reported.
    """

    id: str
    file: str
    line: int
    new: bool


@dataclass(frozen=True)
class Listing(Record, schema="slipway/listing/1"):
    """All revisions, parents first; empty when alembic cannot read the history. `digest`: sha256 of their files, as in a proof."""

    revisions: tuple[Listed, ...]
    digest: str = ""


@dataclass(frozen=True)
class Other:
    """A revision at another commit; `down` are its parents."""

    id: str
    down: tuple[str, ...]
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Since(Record, schema="slipway/since/1"):
    """The state that `--since` compares with, or the one that is compared with by default.

    - name: of a revision or a git ref; for a revision the other fields stay empty.
    - files: revision files at the ref, relative to the service's folder. edited: those among them with changes.
    - changed: revisions at the ref whose files have changed or are gone; none when the ref and HEAD have no commit in common.
    - refusal: why git cannot resolve the name. commit: the one that the ref names.
    - ahead: revisions that exist only at `tip`, the branch to be merged into.
    - by_default: the description of a name that the gate chose itself; the name is then a git ref, or empty for "all but the newest revision";
      then `tip` is a branch or tag that has every revision of the work tree, if there is one.
    """

    name: str
    files: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    refusal: Refusal | None = None
    commit: str | None = None
    changed: tuple[Other, ...] = ()
    ahead: tuple[Other, ...] = ()
    tip: str = ""
    by_default: str | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a model.

    - written: an INSERT names it, because the database has no default. defaulted: an INSERT may name it or leave it to the default.
    - filled: the release's code has a default of its own, so that every INSERT has a value.
    - labels: the values of an enum, the only ones that the model can read.
    """

    name: str
    written: bool
    defaulted: bool = False
    filled: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A table of the release's models; `schema` is None for the first one in the search path."""

    schema: str | None
    table: str
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The table's name, with the schema if it has one."""
        return f"{self.schema}.{self.table}" if self.schema else self.table


@dataclass(frozen=True)
class Recorded:
    """A statement that the release's own tests executed, with its parameters; `where` is the place in its code."""

    sql: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Previous(Record, schema="slipway/previous/1"):
    """A previous release.

    - name: as the user wrote it. refusal: why its models could not be loaded.
    - caveat: why its models were read in today's virtual environment, not in its own.
    - revisions: all that its alembic knows. start: its start command, if that runs alembic.
    - spelled: its models as SQL, one text for each object.
    """

    name: str
    models: tuple[Model, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    refusal: str | None = None
    caveat: str = ""
    revisions: tuple[str, ...] = ()
    start: str = ""
    spelled: tuple[str, ...] = ()


class Ask(Enum):
    """The record that the gate returns."""

    PROOF = "proof"  # execute the history
    LISTING = "listing"  # read the revisions, execute none
    MODELS = "models"  # read the models of this release, execute no revision


class Role(Enum):
    """The privileges of the role that runs the revisions in production."""

    RDS_SUPERUSER = "rds_superuser"  # the main user of RDS: owns the database, creates roles, databases and the extensions that RDS offers
    OWNER = "owner"  # owns the database, no more
    SUPERUSER = "superuser"


class PreviousRelease(Enum):
    """Whether the previous release must be replayed on the new schema."""

    WANTED = "wanted"  # reports say when it was not
    REQUIRED = "required"  # an error when it was not


@dataclass(frozen=True, kw_only=True)
class GateQuestion(Record, schema="slipway/gate-question/1"):
    """All inputs of a run of the gate but its server; a field without a default takes that of `[tool.slipway.migrations]`."""

    config: str  # alembic's settings file, relative to the working directory
    timeout: float  # seconds for one step of a revision, and for env.py
    section: str = "alembic"  # of that file
    x_arguments: tuple[str, ...] = ()  # as `alembic -x` takes them
    folder: str = ""  # the service's, relative to its repository's root; empty: the root, or unknown
    directory: str = ""  # the working directory of alembic, relative to the service's folder, as all files here are
    scripts: str = ""  # the folder with env.py, if the settings file names none
    app: str | None = None  # the Flask application in whose context env.py runs; empty: the one that Flask finds
    ask: Ask = Ask.PROOF
    extensions: tuple[str, ...] = ()  # created before the first revision
    baseline: str = ""  # the schema before the first revision: an SQL file, or package.module:metadata
    samples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # values by table.column
    role: Role = Role.RDS_SUPERUSER  # of the revisions
    levels: Mapping[str, str] = field(default_factory=dict)  # rule: error, warning, note or off
    start_after: str | None = None  # findings up to this revision do not count
    since: Since | None = None  # one that the caller named replaces start_after
    previous: Previous | None = None  # the live release, which must work on the new schema
    previous_required: bool = False  # it is an error when that could not be executed
    layers: tuple[Layer, ...] = tuple(Layer)
    release: str = ""  # with Ask.MODELS: the name under which they are returned
    apart_from: str = ""  # with Ask.MODELS: a folder with another release, from which nothing may be imported
    today: str = ""  # YYYY-MM-DD, on which allowances expire; empty: the current day, UTC
    calls: tuple[str, ...] = ()  # the services that this one calls, by name
    called_by: tuple[str, ...] = ()  # the services that call this one
    keep: bool = False  # leave the state after the old revisions on the server, as a template for the next run
    check_server: bool = False  # with Ask.LISTING: connect to the server as well
    allow_production_like: bool = False  # the server is disposable, though its URL looks like production
    progress: bool = False  # write GateProgress lines to standard error


PROGRESS_MARK: Final = "slipway-progress: "  # before each GateProgress, which is one line of standard error


@dataclass(frozen=True, kw_only=True)
class GateProgress(Record, schema="slipway/gate-progress/1"):
    """A layer has begun with a revision, one of `of` that it examines."""

    layer: Layer
    revision: str
    of: int
