"""A proof as workflow commands: what a step of GitHub Actions prints to mark lines of a pull request.

The runner reads a command from every line that begins with `::`, and undoes the escapes below (its src/Runner.Common/ActionCommand.cs).
"""

from slipway.records.proof import Finding, Level, Proof
from slipway.untrusted import one_line, printable

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_IN_TEXT = str.maketrans({"%": "%25", "\n": "%0A"})  # printable text has no other end of a line
_IN_PROPERTY = _IN_TEXT | str.maketrans({":": "%3A", ",": "%2C"})


def annotations(proof: Proof) -> str:
    """One line for each finding that counts, worst first: GitHub shows the first ten of each kind."""
    return "".join(f"{_command(finding)}\n" for finding in proof.findings if finding.suppressed is None)


def _command(finding: Finding) -> str:
    properties = {
        "file": one_line(finding.file or ""),
        "line": str(finding.line or ""),
        "title": one_line(f"slipway {finding.rule}"),
    }
    given = ",".join(f"{name}={value.translate(_IN_PROPERTY)}" for name, value in properties.items() if value)
    said = f"{finding.message}\nMeasured: {finding.measured}\nInstead:\n{finding.remedy}"
    return f"::{_COMMANDS[finding.level]} {given}::{printable(said).translate(_IN_TEXT)}"
