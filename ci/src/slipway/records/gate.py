"""The input of the gate's process, the list of revisions that it can return, and the progress that it reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from slipway.records.form import Record
from slipway.records.proof import Layer
from slipway.records.refusal import Refusal

MAJORS: Final = (14, 15, 16, 17, 18)  # of Postgres: those that the gate knows; RDS has all of them in standard support


@dataclass(frozen=True)
class Listed:
    """A revision of the history and its place.

    - file: relative to the service's folder.
    - line: the line of its `upgrade`.
    - new: whether findings in it are reported.
    """

    id: str
    file: str
    line: int
    new: bool


@dataclass(frozen=True)
class Listing(Record, schema="slipway/listing/1"):
    """All revisions, parents first; empty when alembic cannot read the history.

    - digest: sha256 of the revision files, the same as in a proof.
    """

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
    """The state with which the gate compares the work tree: the one that `--since` names, or a default.

    - name: a revision or a git ref. For a revision the other fields are empty.
    - files: the revision files at the ref, relative to the service's folder.
    - edited: those of these files that have changes.
    - changed: the revisions at the ref whose files have changed or were deleted since; empty when the ref and HEAD have
      no common commit.
    - refusal: why git cannot resolve the name.
    - commit: the commit that the ref names.
    - ahead: the revisions that exist only at `tip`.
    - tip: the branch to be merged into. With `by_default` it is a branch or tag that has every revision of the work
      tree, if one exists.
    - by_default: the branch or tag that the gate chose itself; empty for "all but the newest revision", None when the
      caller named the state.
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

    - written: every INSERT names the column, because the database has no default for it.
    - defaulted: an INSERT may name the column or leave it to the database's default.
    - filled: the release's code has a default for the column, so every INSERT has a value.
    - labels: the values of an enum; the model can read no others.
    """

    name: str
    written: bool
    defaulted: bool = False
    filled: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A table of the release's models; `schema` is None for the first schema in the search path."""

    schema: str | None
    table: str
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The table's name, with the schema if it has one."""
        return f"{self.schema}.{self.table}" if self.schema else self.table


@dataclass(frozen=True)
class Recorded:
    """A statement, with its parameters, that the release's tests executed. `where` is the place in the release's code."""

    sql: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Previous(Record, schema="slipway/previous/1"):
    """A previous release.

    - name: as the user wrote it.
    - refusal: why its models could not be loaded.
    - caveat: why its models were read in the current virtual environment instead of its own.
    - revisions: all revisions that its alembic knows.
    - start: its start command, or the line of its application, that runs alembic at the start.
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
    """The kind of record that the gate's process returns."""

    PROOF = "proof"  # execute the history
    LISTING = "listing"  # read the revisions, execute none
    MODELS = "models"  # read the models of this release, execute no revision


class Role(Enum):
    """The privileges of the role that runs the revisions in production."""

    # the main user of RDS: owns the database, creates roles, databases and the extensions that RDS offers
    RDS_SUPERUSER = "rds_superuser"
    OWNER = "owner"  # owns the database and has no other rights
    SUPERUSER = "superuser"


class PreviousRelease(Enum):
    """Whether the previous release must be replayed on the new schema."""

    WANTED = "wanted"  # reports say when the replay was impossible
    REQUIRED = "required"  # an impossible replay is an error


@dataclass(frozen=True, kw_only=True)
class GateQuestion(Record, schema="slipway/gate-question/1"):
    """All inputs of a run of the gate except its server.

    A field without a default has that of `[tool.slipway.migrations]`.
    """

    config: str  # alembic's settings file, relative to the working directory
    timeout: float  # seconds for one step of a revision, and for env.py
    section: str = "alembic"  # the section of that file
    x_arguments: tuple[str, ...] = ()  # the arguments, written as for `alembic -x`
    folder: str = ""  # the service's folder, relative to its repository's root; empty for the root, or when unknown
    directory: str = ""  # alembic's working directory; like all files here, relative to the service's folder
    scripts: str = ""  # the folder with env.py; empty when the settings file names it
    # the Flask application in whose context env.py runs; empty for the one that Flask finds; None for no Flask
    app: str | None = None
    ask: Ask = Ask.PROOF
    extensions: tuple[str, ...] = ()  # created before the first revision
    baseline: str = ""  # the schema before the first revision: an SQL file, or package.module:metadata
    samples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # values by table.column
    role: Role = Role.RDS_SUPERUSER  # the role that runs the revisions
    levels: Mapping[str, str] = field(default_factory=dict)  # rule: error, warning, note or off
    start_after: str | None = None  # findings up to this revision do not count
    since: Since | None = None  # replaces start_after when the caller named a state
    previous: Previous | None = None  # the live release, which must work on the new schema
    previous_required: bool = False  # a previous release that cannot be executed is an error
    layers: tuple[Layer, ...] = tuple(Layer)
    release: str = ""  # with Ask.MODELS: the name that the returned models get
    apart_from: str = ""  # with Ask.MODELS: a folder with another release, from which nothing may be imported
    # YYYY-MM-DD, the date that decides whether an allowance has expired; empty for the current day in UTC
    today: str = ""
    calls: tuple[str, ...] = ()  # the services that this one calls, by name
    called_by: tuple[str, ...] = ()  # the services that call this one
    keep: bool = False  # keep the state after the old revisions on the server, as a template for the next run
    check_server: bool = False  # with Ask.LISTING: connect to the server as well
    allow_production_like: bool = False  # the server is disposable, though its URL looks like production
    progress: bool = False  # write GateProgress lines to standard error


PROGRESS_MARK: Final = "slipway-progress: "  # the prefix of each GateProgress, which is one line of standard error


@dataclass(frozen=True, kw_only=True)
class GateProgress(Record, schema="slipway/gate-progress/1"):
    """A line of progress: a layer begins with a revision, one of the `of` revisions that it examines."""

    layer: Layer
    revision: str
    of: int
