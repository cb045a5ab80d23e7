"""A preflight for a terminal: a tree of checks, then the counts."""

from collections.abc import Iterator

from slipway.records.preflight import Check, Preflight, PreflightResult
from slipway.untrusted import one_line

_MARKS = {PreflightResult.OK: "OK", PreflightResult.REFUSED: "NO", PreflightResult.NOT_COVERED: "?"}


def text(preflight: Preflight) -> str:
    """Render the whole report; the last line counts."""
    return "\n".join(_lines(preflight)) + "\n"


def _lines(preflight: Preflight) -> Iterator[str]:
    yield one_line(f"{preflight.service} in {preflight.environment}: {preflight.image}")
    for branch in preflight.branches:
        yield f"  {one_line(branch.part)}"
        for check in branch.checks:
            yield from _check(check)
    checks = sum(len(branch.checks) for branch in preflight.branches)
    refused, open_ = len(preflight.refusals), len(preflight.not_covered)
    yield f"{checks - refused - open_} OK, {refused} refused, {open_} not covered, in {preflight.seconds:.1f} s"


def _check(check: Check) -> Iterator[str]:
    yield f"    {_MARKS[check.verdict]:2} {one_line(check.subject)}: {one_line(check.found, 600)}"
    yield from (f"         log: {one_line(line)}" for line in check.lines)
    if check.remedy:
        yield f"         {one_line(check.remedy, 600)}"
