"""A proof for a terminal: findings, worst first, then what was done and what was not."""

from collections import Counter
from collections.abc import Iterator

from slipway.records.proof import Finding, Proof, Verdict
from slipway.untrusted import one_line, printable


def text(proof: Proof) -> str:
    """The whole report; the last line is the verdict."""
    return "\n".join([*_findings(proof), *_gaps(proof), summary(proof)]) + "\n"


def summary(proof: Proof) -> str:
    """One line: the verdict, what it rests on, how long it took."""
    counts = Counter(finding.level.value for finding in proof.findings if finding.suppressed is None)
    found = ", ".join(
        f"{counts[level]} {level}{'s' if counts[level] > 1 else ''}"
        for level in ("error", "warning", "note")
        if counts[level]
    )
    done = f"{proof.coverage.revisions} revisions up, down and up again on PostgreSQL {one_line(proof.postgres)}"
    if proof.coverage.tables:
        done += f", with rows in {proof.coverage.filled} of {proof.coverage.tables} tables,"
    verdict = "passed" if proof.verdict is Verdict.PASS else "refused"
    return f"{verdict}: {found or 'nothing found'}; {done} in {sum(proof.seconds.values()):.1f} s"


def place(finding: Finding) -> str:
    """`file:line`, or what stands for it."""
    if not finding.file:
        return "the history"
    return one_line(finding.file) + (f":{finding.line}" if finding.line else "")


def explained(finding: Finding) -> str:
    """One finding by itself: what is wrong, where, the measured fact, what to write instead."""
    remedy = "\n".join(f"    {line}" for line in printable(finding.remedy).splitlines())
    said = [
        f"{one_line(finding.rule)} {one_line(finding.message)}",
        f"at {place(finding)}",
        f"measured: {one_line(finding.measured, 600)}",
        f"instead:\n{remedy}",
    ]
    return "\n".join(said)


def _findings(proof: Proof) -> Iterator[str]:
    for finding in proof.findings:
        if finding.suppressed is None:
            revision = f"  revision {one_line(finding.revision)}" if finding.revision else ""
            yield f"{finding.level.value.upper():7} {one_line(finding.rule):5} {place(finding)}{revision}"
            yield f"        {one_line(finding.message)}"
            yield f"        measured: {one_line(finding.measured, 600)}"
            yield "        instead:"
            yield from (f"            {line}" for line in printable(finding.remedy).splitlines())
            yield ""
    silent = Counter(one_line(finding.suppressed) for finding in proof.findings if finding.suppressed is not None)
    yield from (f"{count} finding{'s' if count > 1 else ''} {reason}" for reason, count in silent.items())


def _gaps(proof: Proof) -> Iterator[str]:
    for gap in proof.coverage.gaps:
        yield f"not covered: {one_line(gap)}"
