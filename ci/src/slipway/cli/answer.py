"""Print an answer: as text or JSON on standard output, and into the files of a GitHub job."""

import os
import secrets
import sys
from typing import TYPE_CHECKING

from slipway.commands.command import Flags
from slipway.errors import SlipwayError
from slipway.untrusted import one_line

if TYPE_CHECKING:
    from slipway.report.answers import CommandResult


def say(flags: Flags, answer: "CommandResult", indent: int | None = 2) -> int:
    """Print an answer and return its exit code; without `indent` JSON is one line."""
    from slipway.records.form import to_json
    from slipway.report.text import coloured

    _write_job_files(answer)
    _print(
        to_json(answer.record, indent)
        if flags.json and answer.record is not None
        else coloured(answer.text, sys.stdout)
    )
    return answer.code


def say_no(flags: Flags, error: SlipwayError) -> int:
    """Print an error on standard error, with --json its record on standard output, and return its exit code."""
    from slipway.records.refusal import Refusal
    from slipway.report.answers import of_refusal

    print(f"slipway: {one_line(str(error), 1000)}", file=sys.stderr)
    return say(flags, of_refusal(Refusal.of(error)))


def _print(text: str) -> None:
    """Print to a reader that may have gone, such as `head`, without changing the exit code."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_job_files(answer: "CommandResult") -> None:
    from slipway.report.answers import step_outputs

    outputs = {"exit-code": str(answer.code), **answer.outputs}
    _append("GITHUB_OUTPUT", step_outputs(outputs, f"slipway-{secrets.token_hex(16)}"))
    _append("GITHUB_STEP_SUMMARY", answer.markdown and f"{answer.markdown}\n")


def _append(variable: str, text: str) -> None:
    """Append to the file that a variable names; a failure is reported and does not change the exit code."""
    file = os.environ.get(variable)
    if not file or not text:
        return
    try:
        with open(file, "a", encoding="utf-8") as stream:  # noqa: PTH123 -- a path of any kind
            stream.write(text)
    except OSError as error:
        print(f"slipway: cannot write {variable}: {error.strerror or error}", file=sys.stderr)
