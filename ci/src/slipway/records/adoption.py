"""The files with which a service adopts slipway, and how its settings differ from its other files."""

from dataclasses import dataclass
from enum import Enum

from slipway.records.form import Record
from slipway.records.proof import Finding
from slipway.records.survey import Fact, Obstacle, Subject


class FileState(Enum):
    """The state of a file of the adoption."""

    PROPOSED = "proposed"
    WRITTEN = "written"
    KEPT = "kept"  # it was there already, or holds the table already


@dataclass(frozen=True, kw_only=True)
class AdoptedFile:
    """A file of the adoption. added: the lines at its end, or all of a new file. name: relative to the service's folder."""

    name: str
    state: FileState
    added: str = ""
    is_new: bool = False
    reason: str = ""  # why it was kept


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A key of the settings whose value another file contradicts."""

    key: str
    has: str
    found: str
    place: str


@dataclass(frozen=True, kw_only=True)
class Adoption(Record, schema="slipway/adoption/1"):
    """The state of a service's adoption.

    - files: what `init` writes. drift: with --check, where the settings and the service's files differ.
    - notes: what to know about the files, one sentence each.
    - gate: the first lines of the gate's report and its summary, or why it could not run; empty when it was not run. errors: what made it red.
    """

    service: str
    facts: tuple[Fact, ...]
    obstacles: tuple[Obstacle, ...] = ()
    files: tuple[AdoptedFile, ...] = ()
    drift: tuple[Drift, ...] = ()
    notes: tuple[str, ...] = ()
    gate: str = ""
    errors: tuple[Finding, ...] = ()
    passed: bool | None = None
    begins_later: bool = False  # there is no revision yet, or the baseline counts all of them as run
    checked: bool = False  # by --check

    @property
    def begins_on_a_schema(self) -> bool:
        """Whether the history begins on tables that no revision creates, as far as their texts show."""
        return any(fact.subject is Subject.BASELINE for fact in self.facts)

    @property
    def is_complete(self) -> bool:
        return not any(file.state is FileState.PROPOSED for file in self.files)
