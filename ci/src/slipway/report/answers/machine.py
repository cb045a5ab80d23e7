"""Results about this machine."""

from slipway.records.checks import DoctorReport
from slipway.records.command import CacheReport
from slipway.report import checks
from slipway.report import text as plain
from slipway.report.answers.result import CommandResult, fenced_result


def of_checkup(report: DoctorReport) -> CommandResult:
    return fenced_result(report, checks.of_checkup(report), 0 if report.gate_works else 1)


def of_cache(report: CacheReport) -> CommandResult:
    return CommandResult(record=report, text=plain.of_cache(report))
