"""Certificate: what a proof says of one step of the schema, small enough to travel with an image."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Answer(Enum):
    """What was proven of a revision; unknown is neither."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What was proven of one new revision.

    - rerunnable: after an interruption. compatible: the previous release works on the schema after it.
    - blocking: work under a lock that keeps others out. reversible: its downgrade leads back, with the rows. destructive: rows are gone by it.
    """

    id: str
    rerunnable: Answer
    compatible: Answer
    blocking: Answer
    reversible: Answer
    destructive: Answer


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A pair of heads, and what was proven of the way between them. Pairs do not chain: a → b and b → c say nothing of a release of a on c.

    - history: sha256 of the revision files. statements: sha256 of what the previous release said; empty when it said nothing.
    - before, after: the database's heads. made: seconds since 1970. evidence: sha256 of the proof's file.
    """

    SCHEMA: ClassVar[str] = "slipway/certificate/1"

    history: str
    previous: str
    statements: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    revisions: tuple[Verdicts, ...]
    postgres: str
    gate: str
    made: int
    evidence: str


@dataclass(frozen=True)
class Validity:
    """Whether a certificate holds for a folder and a database: `why_not` says why it does not, None when it does. `before`, `after`: its heads."""

    SCHEMA: ClassVar[str] = "slipway/validity/1"

    why_not: str | None
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.why_not is None
