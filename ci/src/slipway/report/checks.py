"""Results of checks for a terminal: a preflight, an environment's secrets, and doctor."""

from collections import Counter
from collections.abc import Iterator

from slipway.records.checks import (
    Check,
    DoctorCheck,
    DoctorReport,
    DoctorResult,
    Preflight,
    PreflightResult,
    SecretList,
    SecretVersion,
)
from slipway.records.words import counted
from slipway.report.format import in_lines
from slipway.untrusted import one_line

_OPTIONAL = "OPT"  # the mark of a missing part that the gate does not need
_MARKS = {PreflightResult.OK: "OK", PreflightResult.REFUSED: "NO", PreflightResult.NOT_COVERED: "?"}


@in_lines
def of_preflight(preflight: Preflight) -> Iterator[str]:
    """Render the whole report; the last line has the totals."""
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


@in_lines
def of_secret_list(record: SecretList) -> Iterator[str]:
    """Render each secret with whether it exists; the last line has the totals."""
    yield f"{one_line(record.environment)}:"
    for check in record.checks:
        yield from _check(check)
    names = {check.subject for check in record.checks}
    yield f"{counted(len(names), 'secret')}, {len(record.missing)} missing"


@in_lines
def of_secret_version(record: SecretVersion) -> Iterator[str]:
    """Render where the value is, never the value."""
    yield f"{one_line(record.name)}: {one_line(record.arn)} has the new version {one_line(record.version)}"
    if record.setting:
        table = f"[tool.slipway.environments.{one_line(record.environment)}]"
        yield f"add to secrets of {table}: {one_line(record.setting)}"
    restart = "change a variable in the settings, such as RESTARTED, and run `slipway deploy`"
    yield f"a running service reads it only when its instances start again: {restart}"


@in_lines
def of_checkup(report: DoctorReport) -> Iterator[str]:
    """Render the whole report; the last line has the totals."""
    yield from map(_doctor_check, report.checks)
    counts = Counter(map(_mark, report.checks))
    marks = ("OK", "NG", *([_OPTIONAL] if counts[_OPTIONAL] else ()), "SKIP")
    works = "; `slipway gate` lacks nothing" if report.gate_works and not report.healthy else ""
    yield ", ".join(f"{counts[mark]} {mark}" for mark in marks) + works


def _mark(check: DoctorCheck) -> str:
    return _OPTIONAL if check.needed_for and check.result is DoctorResult.NG else check.result.value


def _doctor_check(check: DoctorCheck) -> str:
    sentence = "; ".join(one_line(part, 600) for part in (check.found, check.remedy) if part)
    mark = _mark(check)
    needed = f" (optional: needed for {check.needed_for} only)" if mark == _OPTIONAL else ""
    return f"{mark:5} {one_line(check.subject):12} {sentence}{needed}"
