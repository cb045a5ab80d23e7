"""A proof as GitHub workflow commands, which mark lines of a pull request.

The runner parses every printed line that begins with `::` and undoes the escapes below
(actions/runner, src/Runner.Common/ActionCommand.cs).
"""

from slipway.records.proof import Finding, Level, Proof
from slipway.untrusted import one_line, printable

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_IN_TEXT = str.maketrans({"%": "%25", "\n": "%0A"})  # printable text has no other line ends
_IN_PROPERTY = _IN_TEXT | str.maketrans({":": "%3A", ",": "%2C"})


def annotations(proof: Proof) -> str:
    """Render one line per finding that is not suppressed, worst first; GitHub shows ten per level."""
    return "".join(f"{_command(finding)}\n" for finding in proof.findings if finding.suppressed is None)


def _command(finding: Finding) -> str:
    properties = {
        "file": one_line(finding.file or ""),
        "line": str(finding.line or ""),
        "title": one_line(f"slipway {finding.rule}"),
    }
    written = ",".join(f"{name}={value.translate(_IN_PROPERTY)}" for name, value in properties.items() if value)
    message = f"{finding.message}\nMeasured: {finding.measured}\nInstead:\n{finding.remedy}"
    return f"::{_COMMANDS[finding.level]} {written}::{printable(message).translate(_IN_TEXT)}"
