"""The cost of an environment in a month."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CostLine:
    """One item of a month's cost, in US dollars; None when its price is not in the table. `shared` is what all services of the environment use."""

    what: str
    dollars: float | None
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of an environment in `region` in a month, from a table of `dated` and `source`; `priced` is the region whose prices these are."""

    lines: tuple[CostLine, ...]
    region: str
    priced: str
    dated: str
    source: str
    not_covered: str

    @property
    def dollars(self) -> float:
        return sum(line.dollars or 0 for line in self.lines)

    @property
    def shared(self) -> float:
        """The part of the sum that further services of the environment do not add."""
        return sum(line.dollars or 0 for line in self.lines if line.shared)

    @property
    def total(self) -> str:
        """The sum in words, with the region and the date of its prices."""
        here = "" if self.region == self.priced else f"; those of {self.region} differ by some tens of percent"
        most = "at least" if any(line.dollars is None for line in self.lines) else "about"
        return f"{most} {self.dollars:.2f} $ a month, at the prices of {self.priced} of {self.dated}{here}"
