"""Where an answer goes: to standard output as text or as JSON, and into the files of the job when GitHub runs it."""

import argparse
import os
import secrets
import sys
from typing import TYPE_CHECKING

from slipway.errors import SlipwayError
from slipway.untrusted import one_line

if TYPE_CHECKING:
    from slipway.report.answers import CommandResult


def say(given: argparse.Namespace, answer: "CommandResult", indent: int | None = 2) -> int:
    """Print it and answer its exit code; JSON is one line without `indent`."""
    from slipway.records.form import to_json
    from slipway.report.colour import coloured

    _tell_job(answer)
    _print(to_json(answer.record, indent) if given.json else coloured(answer.text, sys.stdout))
    return answer.code


def say_no(given: argparse.Namespace, error: SlipwayError) -> int:
    """The one sentence of an error, and its exit code; standard output gets it only as JSON."""
    from slipway.records.refusal import Refusal
    from slipway.report.answers import of_refusal

    print(f"slipway: {one_line(str(error), 1000)}", file=sys.stderr)
    return say(given, of_refusal(Refusal.of(error)))


def _print(text: str) -> None:
    """What is true stays so when the reader has gone away, as `head` does."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_job(answer: "CommandResult") -> None:
    from slipway.report.answers import step_outputs

    outputs = {"exit-code": str(answer.code), **answer.outputs}
    _append("GITHUB_OUTPUT", step_outputs(outputs, f"slipway-{secrets.token_hex(16)}"))
    _append("GITHUB_STEP_SUMMARY", answer.markdown and f"{answer.markdown}\n")


def _append(variable: str, text: str) -> None:
    """Add to the file that a variable names; that it cannot be written changes no answer."""
    file = os.environ.get(variable)
    if not file or not text:
        return
    try:
        with open(file, "a", encoding="utf-8") as opened:  # noqa: PTH123 -- a path of any kind
            opened.write(text)
    except OSError as error:
        print(f"slipway: {variable} cannot be written: {error.strerror or error}", file=sys.stderr)
