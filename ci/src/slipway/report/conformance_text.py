"""A conformance run for a terminal: beforehand what it will create, take and cost; afterwards what was not as expected, and the counts."""

from collections import Counter
from collections.abc import Iterator

from slipway.records.conformance import Conformance, Estimate, Finding, Verdict
from slipway.untrusted import one_line


def of_estimate(estimate: Estimate, where: str) -> str:
    """What somebody must know before they say yes."""
    creates = "\n".join(f"  {one_line(line)}" for line in estimate.creates)
    return (
        f"This will be created in {one_line(where)}, and deleted in the end:\n{creates}\n"
        f"It takes {estimate.least_minutes} to {estimate.most_minutes} minutes and costs at most ${estimate.dollars:.2f}: "
        f"{estimate.prices}.\n"
    )


def text(conformance: Conformance) -> str:
    """The whole report; the last line counts."""
    return "\n".join(_lines(conformance)) + "\n"


def _lines(conformance: Conformance) -> Iterator[str]:
    yield f"asked {conformance.against} in {conformance.region} on {conformance.day}, botocore {conformance.botocore}"
    for verdict in (Verdict.DIFFERS, Verdict.NOT_REACHED):
        yield from (_line(found) for found in conformance.findings if found.verdict is verdict)
    for name in conformance.left:
        yield f"could not be deleted: {one_line(name)}"
    counts = Counter(found.verdict for found in conformance.findings)
    summary = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
    yield f"{summary}; {conformance.seconds / 60:.0f} of the platform's minutes"


def _line(found: Finding) -> str:
    told = one_line(found.seen)
    if found.verdict is Verdict.DIFFERS:
        return f"{found.verdict.value}: {found.subject}: expected {one_line(found.expected)!r} [{found.mark}], saw {told!r}"
    return f"{found.verdict.value}: {found.subject}: {told}"
