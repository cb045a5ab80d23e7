"""What a run has seen so far, by subject."""

from dataclasses import replace

from slipway.conformance.account import masked
from slipway.conformance.expectations import every
from slipway.records.conformance import ConformanceFinding, ConformanceVerdict


class Findings:
    """Begins with everything that is expected, and nothing seen. No account and no ARN comes in."""

    def __init__(self) -> None:
        self._found: dict[str, ConformanceFinding] = {finding.subject: finding for finding in every()}

    def saw(self, subject: str, seen: str) -> None:
        """What came, in one line."""
        finding, seen = self._found[subject], masked(seen)
        confirmed = seen == finding.expected
        self._found[subject] = (
            replace(finding, verdict=ConformanceVerdict.CONFIRMED, seen="")
            if confirmed
            else replace(finding, verdict=ConformanceVerdict.DIFFERS, seen=seen)
        )

    def missed(self, subject: str, why: str) -> None:
        """Nothing came, unless something had come before."""
        if self._found[subject].verdict is ConformanceVerdict.NOT_REACHED:
            self._found[subject] = replace(self._found[subject], seen=masked(why))

    def all(self) -> tuple[ConformanceFinding, ...]:
        return tuple(self._found.values())
