"""The question that a run of the gate answers, sent to it as one line of JSON on standard input."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Final

from slipway.records.history import Since
from slipway.records.previous import Previous
from slipway.records.proof import Layer


class Ask(Enum):
    """The record that the gate returns."""

    PROOF = "proof"  # execute the history
    LISTING = "listing"  # read the revisions, execute none
    MODELS = "models"  # read the models of this release, execute no revision


@dataclass(frozen=True, kw_only=True)
class GateQuestion:
    """All inputs of a run of the gate but its server; a field without a default takes that of `[tool.slipway.migrations]`."""

    SCHEMA: ClassVar[str] = "slipway/gate-question/1"

    config: str  # alembic's settings file, relative to the working directory
    patience: float  # seconds for one step of a revision, and for env.py
    ask: Ask = Ask.PROOF
    extensions: tuple[str, ...] = ()  # created before the first revision
    levels: Mapping[str, str] = field(default_factory=dict)  # rule: error, warning, note or off
    start_after: str | None = None  # findings up to this revision do not count
    since: Since | None = None  # replaces start_after
    previous: Previous | None = None  # the live release, which must work on the new schema
    layers: tuple[Layer, ...] = tuple(Layer)
    release: str = ""  # with Ask.MODELS: the name under which they are returned
    today: str = ""  # YYYY-MM-DD, on which allowances expire; empty: the current day, UTC
    keep: bool = False  # leave the state after the old revisions on the server, as a template for the next run
    check_server: bool = False  # with Ask.LISTING: connect to the server as well
    allow_production_like: bool = False  # the server is disposable, though its URL looks like production
    progress: bool = False  # write GateProgress lines to standard error


PROGRESS_MARK: Final = "slipway-progress: "  # before each GateProgress, which is one line of standard error


@dataclass(frozen=True, kw_only=True)
class GateProgress:
    """A layer has begun with a revision, one of `of` that it examines."""

    SCHEMA: ClassVar[str] = "slipway/gate-progress/1"

    layer: Layer
    revision: str
    of: int
