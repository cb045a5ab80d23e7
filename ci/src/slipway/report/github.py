"""What a step of GitHub Actions leaves for later ones, in the form of the file that `$GITHUB_OUTPUT` names."""

from collections.abc import Mapping

from slipway.untrusted import printable


def step_outputs(values: Mapping[str, str], delimiter: str) -> str:
    """Each value between two lines that nobody can guess, so that a value with line ends cannot begin another output."""
    return "".join(f"{name}<<{delimiter}\n{printable(value)}\n{delimiter}\n" for name, value in values.items())
