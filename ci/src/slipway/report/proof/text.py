"""A proof in words, worst findings first: for a terminal, and one screen of Markdown for a pull request."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from slipway.records.proof import PREPARATION, Finding, Level, Proof, Verdict
from slipway.records.words import counted
from slipway.report.format import escaped, fenced, in_lines
from slipway.untrusted import one_line, printable

_PLACES = 3
WHOLE = 2_000  # characters of a line. Advice is at the end of a line and must not be cut


@in_lines
def text(proof: Proof) -> Iterator[str]:
    """Render the whole report; the last line is the verdict."""
    beginning = [*first_lines(proof)]
    yield from (*beginning, *([""] if beginning else []), *_findings(proof), summary(proof))


def first_lines(proof: Proof) -> Iterator[str]:
    """Yield the first lines of the report: which revisions were tested, and which parts were not."""
    yield from (*_partial(proof), *(one_line(line, WHOLE) for line in _extent(proof)))


def summary(proof: Proof) -> str:
    """Return a line with the verdict, the executed revisions and the duration."""
    done = f"{proof.executed} on PostgreSQL {one_line(proof.postgres)}"
    if proof.coverage.tables:
        done += f", with rows in {proof.coverage.filled} of {counted(proof.coverage.tables, 'table')}"
    if replayed := proof.coverage.previous_statements:
        done += f", {counted(replayed, 'statement')} of {one_line(proof.coverage.previous)} replayed"
    done += "," if proof.coverage.tables or replayed else ""
    prepared = proof.seconds.get(PREPARATION, 0)
    done += f" in {sum(proof.seconds.values()):.1f} s" + (
        f", {prepared:.1f} s of it to prepare" if prepared > 1 else ""
    )
    if proof.unexecuted and proof.verdict is Verdict.PASS:
        done += "; this is not a pass: the exit code is 0 only because the revisions that did not run are old"
    return f"{', '.join([proof.verdict_in_words, *_partial(proof)])}: {tally(proof.findings)}; {done}"


def tally(findings: Iterable[Finding]) -> str:
    """Return the number of findings that are not suppressed, by level: `1 error, 2 warnings`."""
    counts = Counter(finding.level for finding in findings if finding.suppressed is None)
    return ", ".join(counted(counts[level], level.value) for level in Level if counts[level]) or "no findings"


def place(finding: Finding) -> str:
    """Return the place of a finding: `file:line`, or "the history" when it has no file."""
    if not finding.file:
        return "the history"
    return one_line(finding.file) + (f":{finding.line}" if finding.line else "")


def explained(finding: Finding) -> str:
    """Render one finding by itself: message, place, measured fact, remedy."""
    remedy = "\n".join(f"    {line}" for line in printable(finding.remedy).splitlines())
    lines = [
        f"{one_line(finding.rule)} {one_line(finding.message)}",
        f"at {place(finding)}",
        f"measured: {one_line(finding.measured, 600)}",
        f"instead:\n{remedy}",
    ]
    return "\n".join(lines)


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
    suppressed: dict[str, list[str]] = {}
    for finding in proof.findings:
        if finding.suppressed is not None:
            suppressed.setdefault(one_line(finding.suppressed), []).append(f"{one_line(finding.rule)} {place(finding)}")
    for reason, places in suppressed.items():
        more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
        yield f"{counted(len(places), 'finding')} {reason}: {', '.join(places[:_PLACES])}{more}"


def _partial(proof: Proof) -> list[str]:
    return [one_line(proof.coverage.partial, WHOLE)] if proof.coverage.partial else []


def _extent(proof: Proof) -> Iterator[str]:
    """Yield which revisions were tested, and which parts were not."""
    if proof.coverage.baseline:
        yield f"begun on: {proof.coverage.baseline}"
    if proof.coverage.chosen:
        yield f"tested: {proof.coverage.chosen}"
    yield from (f"not covered: {gap}" for gap in proof.coverage.gaps)


_SHOWN = 10
_SIGNS = {Level.ERROR: "❌", Level.WARNING: "⚠️", Level.NOTE: "📝"}


def markdown(proof: Proof) -> str:
    """Render GitHub-flavoured Markdown."""
    shown = [finding for finding in proof.findings if finding.suppressed is None]
    extent = [f"- {escaped(line, WHOLE)}" for line in _extent(proof)]
    parts = [
        f"## Migrations {proof.verdict_in_words}",
        escaped(summary(proof), WHOLE),
        *(["\n".join(extent)] if extent else []),
    ]
    parts += ["\n\n".join(_in_markdown(finding)) for finding in shown[:_SHOWN]]
    if len(shown) > _SHOWN:
        parts.append(f"{len(shown) - _SHOWN} more findings are in the full report.")
    if proof.coverage.empty:
        empty = (f"- {escaped(table)}: {escaped(reason)}" for table, reason in proof.coverage.empty.items())
        parts.append("\n".join(["Tables without rows:", "", *empty]))
    return "\n\n".join(parts) + "\n"


_LISTED = 8
_ROOM: Final = 65_000  # characters; GitHub refuses a comment of more than 65 536, with its marker


def comment(proof: Proof) -> str:
    """Render a comment of one screen: a line for each finding, and folded below them what to write instead."""
    lines = [f"- {escaped(line, WHOLE)}" for line in list(_extent(proof))[:_LISTED]]
    return listing([f"### Migrations {proof.verdict_in_words}", escaped(summary(proof), WHOLE)], proof.findings, lines)


def listing(beginning: Sequence[str], findings: Sequence[Finding], lines: Sequence[str] = ()) -> str:
    """Return the paragraphs, the lines with those of the first findings, and their folded remedies, as far as GitHub has room."""
    shown = [finding for finding in findings if finding.suppressed is None]
    lines = [
        *lines,
        *(
            f"- {_SIGNS[each.level]} **{escaped(each.rule)}** {escaped(place(each))}: {escaped(each.message)}"
            for each in shown[:_LISTED]
        ),
    ]
    if len(shown) > _LISTED:
        lines.append(f"- {len(shown) - _LISTED} more in the summary of the job")
    text = "\n\n".join([*beginning, *(["\n".join(lines)] if lines else [])]) + "\n"
    for finding in shown[:_LISTED]:
        folded = f"\n{_folded(finding)}\n"
        if len(text) + len(folded) > _ROOM:
            return f"{text}\nThe summary of the job has the other remedies: a comment has no room for them.\n"
        text += folded
    return text


def _folded(finding: Finding) -> str:
    title = f"<details><summary>{escaped(finding.rule)} {escaped(place(finding))}: measured, and what to write instead</summary>"
    return "\n\n".join([title, *list(_in_markdown(finding))[2:], "</details>"])


def _in_markdown(finding: Finding) -> Iterator[str]:
    yield f"### {_SIGNS[finding.level]} {escaped(finding.rule)} {escaped(place(finding))}"
    yield escaped(finding.message)
    yield f"Measured: {escaped(finding.measured, 600)}"
    yield fenced(finding.remedy, "python") if finding.remedy_is_code else escaped(finding.remedy, 600)
