"""A proof for a terminal: findings, worst first, then what was done and what was not."""

from collections import Counter
from collections.abc import Iterable, Iterator

from slipway.records.proof import Finding, Level, Proof, Verdict
from slipway.untrusted import one_line, printable


def text(proof: Proof) -> str:
    """The whole report; the last line is the verdict."""
    return "\n".join([*_partial(proof), *_findings(proof), *_gaps(proof), summary(proof)]) + "\n"


def summary(proof: Proof) -> str:
    """One line: the verdict, what it rests on, how long it took."""
    done = f"{proof.coverage.revisions} revisions up, down and up again on PostgreSQL {one_line(proof.postgres)}"
    if proof.coverage.tables:
        done += f", with rows in {proof.coverage.filled} of {proof.coverage.tables} tables,"
    if proof.coverage.phrases:
        done += f" {proof.coverage.phrases} statements of {one_line(proof.coverage.previous)} said again,"
    verdict = "passed" if proof.verdict is Verdict.PASS else "refused"
    return f"{', '.join([verdict, *_partial(proof)])}: {tally(proof.findings)}; {done} in {sum(proof.seconds.values()):.1f} s"


def tally(findings: Iterable[Finding]) -> str:
    """`1 error, 2 warnings`: how many count, by their level."""
    counts = Counter(finding.level for finding in findings if finding.suppressed is None)
    return ", ".join(counted(counts[level], level.value) for level in Level if counts[level]) or "nothing found"


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


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
    yield from (f"{counted(count, 'finding')} {reason}" for reason, count in silent.items())


def _partial(proof: Proof) -> list[str]:
    return [proof.coverage.partial] if proof.coverage.partial else []


def _gaps(proof: Proof) -> Iterator[str]:
    for gap in proof.coverage.gaps:
        yield f"not covered: {one_line(gap)}"
