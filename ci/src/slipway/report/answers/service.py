"""Results about a running service."""

from slipway.records.checks import SecretList, SecretVersion
from slipway.records.command import CommandRun
from slipway.records.ledger import Address, History, ReleaseWatch, Situation
from slipway.records.logs import Log, LogLine
from slipway.records.outcome import Examination
from slipway.report import checks, release, release_markdown
from slipway.report.answers.result import CommandResult
from slipway.untrusted import one_line


def of_situation(situation: Situation) -> CommandResult:
    observed = situation.observed
    return CommandResult(
        record=situation,
        text=release.of_situation(situation),
        code=situation.exit_code,
        markdown=release_markdown.of_situation(situation),
        outputs={
            "state": observed.status or "",
            "live": observed.digest or "",
            "number": str(situation.live.number) if situation.live else "",
            "url": observed.url or "",
            "operation": observed.operation or "",
            "problem": situation.unanswered,
        },
    )


def of_release_watch(watch: ReleaseWatch) -> CommandResult:
    return CommandResult(
        record=watch,
        text=release.of_release_watch(watch),
        code=watch.status.exit_code,
        outputs={"status": watch.status.value, "live": watch.digest, "errors": str(watch.errors)},
    )


def of_history(history: History) -> CommandResult:
    """Return the history. The outputs describe the newest deployment that has ended."""
    newest = history.releases[0] if history.releases else None
    return CommandResult(
        record=history,
        text=release.of_history(history),
        markdown=release_markdown.of_history(history),
        outputs={
            "number": str(newest.number) if newest else "",
            "status": newest.status.value if newest else "",
            "live": (newest and newest.live) or "",
        },
    )


def of_examination(examination: Examination) -> CommandResult:
    """Return an examination. Only its text, which a person reads now, has lines of the log."""
    return CommandResult(
        record=examination.kept,
        text=release.of_examination(examination),
        code=examination.exit_code,
        markdown=release_markdown.of_examination(examination.kept),
        outputs={"ending": examination.ending, "operation": examination.operation or ""},
    )


def of_address(address: Address) -> CommandResult:
    url = one_line(address.url)
    return CommandResult(record=address, text=f"{url}\n", outputs={"url": url})


def of_secret_list(record: SecretList) -> CommandResult:
    return CommandResult(record=record, text=checks.of_secret_list(record), code=1 if record.missing else 0)


def of_secret_version(record: SecretVersion) -> CommandResult:
    return CommandResult(record=record, text=checks.of_secret_version(record))


def of_command_run(record: CommandRun) -> CommandResult:
    """Return the end of a command of `slipway run`.

    The text is empty after success, because the command has printed its own output.
    """
    failed = f"{one_line(record.environment)}: the command ended with the exit code {record.exit_code}\n"
    return CommandResult(record=record, text=failed if record.exit_code else "", code=record.exit_code)


def of_log(log: Log) -> CommandResult:
    return CommandResult(record=log, text=release.of_log(log))


def of_log_line(line: LogLine) -> CommandResult:
    return CommandResult(record=line, text=f"{release.of_log_line(line)}\n")
