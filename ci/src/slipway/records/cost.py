"""The cost of an environment in a month."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CostLine:
    """One item of a month's cost.

    - dollars: US dollars; None when the price is not in the table.
    - shared: whether all services of the environment use the item together.
    """

    what: str
    dollars: float | None
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of an environment in `region` in a month.

    - priced: the region whose prices were used; another one when those of `region` are not in the table.
    - dated, source: the date and the origin of the table of prices.
    - beside: what each further service of the repository adds, without the items that it shares with this one.
    """

    lines: tuple[CostLine, ...]
    region: str
    priced: str
    dated: str
    source: str
    not_covered: str
    beside: tuple[CostLine, ...] = ()

    @property
    def dollars(self) -> float:
        return sum(line.dollars or 0 for line in self.lines)

    @property
    def shared(self) -> float:
        """The part of the sum that further services of the environment do not add."""
        return sum(line.dollars or 0 for line in self.lines if line.shared)

    @property
    def together(self) -> str:
        """The cost of all services of the repository in the environment."""
        return self._amount(*self.lines, *self.beside)

    def _amount(self, *lines: CostLine) -> str:
        most = "at least" if any(line.dollars is None for line in lines) else "about"
        return f"{most} {sum(line.dollars or 0 for line in lines):.2f} $ a month"

    @property
    def total(self) -> str:
        """The sum in words, with the region and the date of its prices."""
        here = "" if self.region == self.priced else f"; those of {self.region} differ by some tens of percent"
        return f"{self._amount(*self.lines)}, at the prices of {self.priced} of {self.dated}{here}"
