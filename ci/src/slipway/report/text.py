"""Smaller records for a terminal: the cache, a conformance run, a migration."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from slipway.records.command import CacheEntry, CacheKind, CacheReport
from slipway.records.conformance import Conformance, ConformanceFinding, ConformanceVerdict, Estimate
from slipway.records.migration import Migration, Standing
from slipway.report.format import duration, heads, in_lines, moment
from slipway.untrusted import one_line

_CACHED: Final = {
    CacheKind.ENVIRONMENT: "environments of services",
    CacheKind.SERVER: "initialised Postgres servers",
    CacheKind.DATABASES: "databases after old revisions",
    CacheKind.RELEASE: "models of previous releases",
}


@in_lines
def of_cache(report: CacheReport) -> Iterator[str]:
    """Render the number and size of each kind of entry; the last line has the total and the limit."""
    for kind, name in _CACHED.items():
        entries = [entry for entry in report.entries if entry.kind is kind]
        last = f", last used {moment(max(entry.used for entry in entries))}" if entries else ""
        yield f"{len(entries):4}  {name}, {_megabytes(entries)}{last}"
    if report.removed:
        yield f"{len(report.removed):4}  removed, {_megabytes(report.removed)}"
    yield f"{one_line(report.folder)}: {_megabytes(report.entries)}; pruned to {report.limit >> 20} MB once a day"


def _megabytes(entries: Iterable[CacheEntry]) -> str:
    return f"{sum(entry.bytes for entry in entries) / 2**20:.0f} MB"


def of_estimate(estimate: Estimate, account: str) -> str:
    """Render what a run creates in `account`, its duration and its cost. A person reads this before agreeing."""
    creates = "\n".join(f"  {one_line(line)}" for line in estimate.creates)
    return (
        f"This run creates in {one_line(account)}, and deletes at its end:\n{creates}\n"
        f"It takes {estimate.least_minutes} to {estimate.most_minutes} minutes and costs at most ${estimate.dollars:.2f}: "
        f"{one_line(estimate.prices)}.\n"
    )


@in_lines
def of_conformance(run: Conformance) -> Iterator[str]:
    """Render the whole report; the last line has the totals."""
    against, region, day, botocore = map(one_line, (run.against, run.region, run.day, run.botocore))
    yield f"checked against {against} in {region} on {day}, botocore {botocore}"
    for verdict in (ConformanceVerdict.DIFFERS, ConformanceVerdict.NOT_REACHED):
        yield from (_expectation(finding) for finding in run.findings if finding.verdict is verdict)
    for name in run.left:
        yield f"could not be deleted: {one_line(name)}"
    counts = Counter(finding.verdict for finding in run.findings)
    summary = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in ConformanceVerdict)
    yield f"{summary}; {run.seconds / 60:.0f} of the platform's minutes"


def _expectation(finding: ConformanceFinding) -> str:
    subject, seen = one_line(finding.subject), one_line(finding.seen)
    if finding.verdict is ConformanceVerdict.DIFFERS:
        expected, mark = one_line(finding.expected), one_line(finding.mark)
        return f"{finding.verdict.value}: {subject}: expected {expected!r} [{mark}], saw {seen!r}"
    return f"{finding.verdict.value}: {subject}: {seen}"


@in_lines
def of_migration(migration: Migration, environment: str) -> Iterator[str]:
    """Render the heads before and after, and the revisions that ran."""
    environment = one_line(environment)
    if migration.unseen:
        yield f"{environment}: migrated, but the applied revisions are unknown: {one_line(migration.unseen, 600)}"
        return
    if migration.baseline:
        yield f"{environment}: it was empty, and began with {one_line(migration.baseline)}"
    if not migration.applied:
        yield f"{environment}: already at {heads(migration.after)}"
        return
    retried = f" and {migration.attempts} attempts, because other sessions held locks" if migration.attempts > 1 else ""
    took = f"{duration(migration.seconds)}{retried}"
    yield f"{environment}: from {heads(migration.before)} to {heads(migration.after)} in {took}"
    yield from (f"  applied: {one_line(revision)}" for revision in migration.applied)


@in_lines
def of_standing(standing: Standing, environment: str) -> Iterator[str]:
    """Render a database's heads beside those of the release."""
    yield f"{one_line(environment)}: the database is at {heads(standing.database)}"
    yield f"  release: {heads(standing.image)}"
    if standing.unknown:
        yield f"  unknown: {heads(standing.unknown)}, so the database is ahead of this release"
    if standing.missing:
        yield f"  missing: {heads(standing.missing)}"
