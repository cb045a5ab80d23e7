"""Answer: whether the live release answers its users, as it was just asked."""

from dataclasses import dataclass

from slipway.records.certificate import Ternary
from slipway.records.migration import Readiness


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of the live release at its public address.

    - paths: the paths that were requested; empty when none could be, such as for a private service.
    - problem: why users get no answer, or errors; empty when all paths answered, or when none was requested.
    - readiness: the release's own statement at its health path; None when it makes none.
    - known: the same facts from the ledger, for a release without such a statement; read only after a problem.
    - image: the release's image.
    - is_behind: whether the database lacks migrations of the release; determined only after a problem.
    """

    paths: tuple[str, ...] = ()
    problem: str = ""
    readiness: Readiness | None = None
    known: Readiness | None = None
    image: str = ""
    is_behind: Ternary = Ternary.UNKNOWN

    @property
    def is_without_database(self) -> bool:
        """Whether the release reports that it cannot reach its database."""
        return bool(self.readiness and self.readiness.unreachable)
