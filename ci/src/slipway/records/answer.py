"""Answer: whether the live release answers its users, as it was just asked."""

from dataclasses import dataclass

from slipway.records.certificate import Ternary
from slipway.records.migration import Readiness


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of the live release at its public address.

    - paths: that were asked; empty when none could be, as of a private service.
    - problem: why users get no answer, or errors; empty when all paths were answered, or none was asked.
    - readiness: its statement at its health path, or None. known: the same from the ledger where it makes none, looked up after a problem.
    - image: of the release. is_behind: whether its database lacks its migrations, looked up after a problem.
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
