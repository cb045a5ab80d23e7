"""Explanation and Completion: texts that the command line prints about itself."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Explanation:
    """The text about a rule or a command. `subject` is its id or name."""

    SCHEMA: ClassVar[str] = "slipway/explanation/1"

    subject: str
    text: str


@dataclass(frozen=True)
class Completion:
    """The completion script of a shell."""

    SCHEMA: ClassVar[str] = "slipway/completion/1"

    shell: str
    script: str
