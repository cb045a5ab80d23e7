"""The evidence of several databases of one env.py, joined to one proof.

A revision counts as executed when it ran in all of them.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce

from slipway.records.proof import Coverage, Finding, Revision

Named = tuple[str, tuple[Finding, ...]]  # a database and its findings

_OF_COMMENTS = "A"  # the family of rules about comments that suppress findings


def findings_of(databases: Sequence[Named]) -> Iterator[Finding]:
    """Yield each finding once, with the name of its database. A comment is unused only when no database needs it."""
    if len(databases) == 1:
        yield from databases[0][1]
        return
    everywhere = set.intersection(*(set(findings) for _, findings in databases))
    yield from (finding for finding in databases[0][1] if finding in everywhere)
    for name, findings in databases:
        for finding in findings:
            if finding not in everywhere and not finding.rule.startswith(_OF_COMMENTS):
                yield replace(finding, measured=": ".join(filter(None, [f"in {name}", finding.measured])))


def revisions_of(databases: Iterable[Iterable[Revision]]) -> tuple[Revision, ...]:
    """Join the records of each revision. A step counts only when it ran in every database."""
    return tuple(reduce(_joined, parts) for parts in zip(*databases, strict=True))


def _joined(one: Revision, other: Revision) -> Revision:
    return replace(
        one,
        statements=(*one.statements, *other.statements),
        fingerprints={
            step: hashlib.sha256((seen + other.fingerprints[step]).encode()).hexdigest()
            for step, seen in one.fingerprints.items()
            if step in other.fingerprints
        },
        rows={**one.rows, **other.rows},
        interruptions=one.interruptions + other.interruptions,
        encounters=one.encounters + other.encounters,
        queue=one.queue or other.queue,
        growth=(*one.growth, *other.growth),
    )


def coverage_of(databases: Sequence[tuple[str, Coverage]]) -> Coverage:
    """Add up the coverage of all databases. A gap that not all have gets its database's name."""
    (_, first), *others = databases
    if not others:
        return first
    every = [coverage for _, coverage in databases]
    common = set.intersection(*(set(coverage.gaps) for coverage in every))
    gaps = (gap if gap in common else f"in {name}, {gap}" for name, coverage in databases for gap in coverage.gaps)
    return replace(
        first,
        revisions=min(coverage.revisions for coverage in every),
        statements=sum(coverage.statements for coverage in every),
        tables=sum(coverage.tables for coverage in every),
        filled=sum(coverage.filled for coverage in every),
        empty={table: reason for coverage in every for table, reason in coverage.empty.items()},
        gaps=tuple(dict.fromkeys(gaps)),
        unproven=tuple(dict.fromkeys(words for coverage in every for words in coverage.unproven)),
    )
