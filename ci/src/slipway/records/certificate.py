"""Certificate: the verdicts of a proof on one step of the schema, small enough to travel with an image."""

from dataclasses import dataclass
from enum import Enum

from slipway.records.form import Record


class Ternary(Enum):
    """Yes, no, or unknown; unknown counts as neither."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """The verdicts on one new revision.

    - rerunnable: it can be run again after an interruption.
    - compatible: the previous release works on the schema after it.
    - blocking: it locks other sessions out while it works through rows.
    - destructive: data is lost.
    - reversible: its downgrade restores the schema and the rows.
    """

    id: str
    rerunnable: Ternary
    compatible: Ternary
    blocking: Ternary
    reversible: Ternary
    destructive: Ternary


@dataclass(frozen=True, kw_only=True)
class Certificate(Record, schema="slipway/certificate/1"):
    """The verdicts on the revisions between two heads. Certificates are not transitive: a → b and b → c do not cover a → c.

    - history: sha256 of the revision files.
    - statements: sha256 of the previous release's statements; empty when there are none.
    - refused: the rules by which the gate refused the history. A certificate with such rules allows a rollback, but no
      promotion.
    - calls, called_by: the services that this service calls, and those that call it; requests between services are not
      covered.
    - transactions: how env.py divided the revisions into transactions.
    - before, after: the database's heads.
    - made: seconds since 1970.
    - evidence: sha256 of the proof's file.
    """

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
    transactions: str = ""
    calls: tuple[str, ...] = ()
    called_by: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Validity(Record, schema="slipway/validity/1"):
    """Whether a certificate is valid for a folder and a database.

    - why_not: the reason why it is not valid.
    - before, after: the certificate's heads.
    """

    why_not: str | None
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.why_not is None
