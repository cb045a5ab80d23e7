"""A conformance run for a terminal: its estimate beforehand, its differences and counts afterwards."""

from collections import Counter
from collections.abc import Iterator

from slipway.records.conformance import Conformance, ConformanceFinding, ConformanceVerdict, Estimate
from slipway.untrusted import one_line


def of_estimate(estimate: Estimate, account: str) -> str:
    """Say what a run creates in `account`, how long it takes and what it costs, before anyone agrees to it."""
    creates = "\n".join(f"  {one_line(line)}" for line in estimate.creates)
    return (
        f"This run creates in {one_line(account)}, and deletes at its end:\n{creates}\n"
        f"It takes {estimate.least_minutes} to {estimate.most_minutes} minutes and costs at most ${estimate.dollars:.2f}: "
        f"{one_line(estimate.prices)}.\n"
    )


def text(conformance: Conformance) -> str:
    """Render the whole report; the last line counts."""
    return "\n".join(_lines(conformance)) + "\n"


def _lines(run: Conformance) -> Iterator[str]:
    against, region, day, botocore = map(one_line, (run.against, run.region, run.day, run.botocore))
    yield f"checked against {against} in {region} on {day}, botocore {botocore}"
    for verdict in (ConformanceVerdict.DIFFERS, ConformanceVerdict.NOT_REACHED):
        yield from (_line(finding) for finding in run.findings if finding.verdict is verdict)
    for name in run.left:
        yield f"could not be deleted: {one_line(name)}"
    counts = Counter(finding.verdict for finding in run.findings)
    summary = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in ConformanceVerdict)
    yield f"{summary}; {run.seconds / 60:.0f} of the platform's minutes"


def _line(finding: ConformanceFinding) -> str:
    subject, seen = one_line(finding.subject), one_line(finding.seen)
    if finding.verdict is ConformanceVerdict.DIFFERS:
        expected, mark = one_line(finding.expected), one_line(finding.mark)
        return f"{finding.verdict.value}: {subject}: expected {expected!r} [{mark}], saw {seen!r}"
    return f"{finding.verdict.value}: {subject}: {seen}"
