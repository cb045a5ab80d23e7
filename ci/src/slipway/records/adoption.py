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
    KEPT = "kept"  # the file existed already, or it already contains the table


@dataclass(frozen=True, kw_only=True)
class AdoptedFile:
    """A file that `init` writes or extends.

    - added: the lines that it adds at the end of the file, or the whole text of a new file.
    - name: relative to the service's folder.
    """

    name: str
    state: FileState
    added: str = ""
    is_new: bool = False
    reason: str = ""  # why the file was kept


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A key of the settings whose value another file contradicts."""

    key: str
    has: str
    found: str
    place: str


@dataclass(frozen=True, kw_only=True)
class Adoption(Record, schema="slipway/adoption/1"):
    """The result of `slipway init` for a service.

    - files: the files that `init` writes.
    - drift: with --check, the differences between the settings and the service's other files.
    - notes: facts about the files that a person should know, one sentence each.
    - gate: the first lines of the gate's report and its summary, or why the gate could not run; empty when it was not
      started.
    - errors: the findings that made the gate fail.
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
    begins_later: bool = False  # there is no revision yet, or the baseline contains all of them
    checked: bool = False  # whether `init` ran with --check

    @property
    def begins_on_a_schema(self) -> bool:
        """Whether the history needs tables that none of its revisions creates, judged by the text of the revisions."""
        return any(fact.subject is Subject.BASELINE for fact in self.facts)

    @property
    def is_complete(self) -> bool:
        return not any(file.state is FileState.PROPOSED for file in self.files)
