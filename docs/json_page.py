"""The page about JSON: the record of each command, exit codes, and the schema of each record."""

import docstrings
import record_schemas

from slipway.commands.table import COMMANDS
from slipway.errors import EXIT_CODES
from slipway.records.form import Record
from slipway.records.refusal import Refusal

_INTRODUCTION = """\
Every command of `slipway` has `--json`: it prints one record, and nothing else, on standard
output. Progress and the sentence of an error go to standard error. The first field, `schema`,
names the record and its version; each has a JSON Schema in [schemas](schemas).
[commands.md](commands.md) describes the commands.

Within a version, fields may be added, and none is removed or changes its meaning: ignore fields
you do not know. Times are seconds, digests `sha256:…`. Texts from logs and from AWS are untrusted
and unchanged: they may hold anything that JSON can.

    slipway status --environment production --json | jq --raw-output .observed.digest"""
_PRINTED = (
    "the record",
    "the record, or a refusal if the command could not start",
    "a refusal",
    "the record, or a refusal",
    "the record",
)
_CODES = """\
| exit code | what it means | standard output with `--json` |
| --- | --- | --- |
{rows}
| 130 | interrupted; the platform continues with what has started | nothing |"""


def page() -> str:
    """Return the whole page."""
    kinds = {kind.SCHEMA: kind for kind in record_schemas.kinds()}
    printed = {f"slipway/{each.record}/1": None for command in COMMANDS for each in command.records}
    rows = [
        f"| `{command.name}` | {_link(kinds[f'slipway/{each.record}/1'])} | {each.when} |"
        for command in COMMANDS
        for each in command.records
    ]
    others = [kind for schema, kind in kinds.items() if schema not in printed and kind is not Refusal]
    parts = [
        "# JSON and exit codes",
        _INTRODUCTION,
        "## The record of each command",
        "\n".join(["| command | record | exit code, and when |", "| --- | --- | --- |", *rows]),
        "## Exit codes",
        _CODES.format(
            rows="\n".join(f"| {code} | {meaning} | {_PRINTED[code]} |" for code, meaning in EXIT_CODES.items())
        ),
        docstrings.wrapped(f"A refusal is {_link(Refusal)}: {docstrings.sentences(Refusal)}"),
        "## Other records",
        "In files, in the ledger, and between processes of slipway; no command prints them alone.",
        "\n".join(docstrings.wrapped(f"- {_link(kind)}: {docstrings.sentences(kind)}", "  ") for kind in others),
    ]
    return "\n\n".join(parts) + "\n"


def _link(kind: type[Record]) -> str:
    return f"[{kind.SCHEMA}](schemas/{record_schemas.file_of(kind)})"
