"""The result of a command: JSON, text, Markdown, step outputs, exit code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.records.form import Record
from slipway.report.format import fenced
from slipway.untrusted import printable


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """The result of one command.

    - record: the record for `--json`, or None.
    - text: for a terminal.
    - code: the exit code.
    - markdown: for the job summary; empty when the job needs none.
    - outputs: values for later steps of the job.
    """

    record: Any
    text: str
    code: int = 0
    markdown: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


def fenced_result(record: Record, text: str, code: int = 0, **outputs: str) -> CommandResult:
    """Return a result that shows its text in a Markdown fence."""
    return CommandResult(record=record, text=text, code=code, markdown=fenced(text), outputs=outputs)


def step_outputs(values: Mapping[str, str], delimiter: str) -> str:
    """Render the file `$GITHUB_OUTPUT`. The delimiter must be unguessable, so that no value can start another output."""
    return "".join(f"{name}<<{delimiter}\n{printable(value)}\n{delimiter}\n" for name, value in values.items())
