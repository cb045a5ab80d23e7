"""Records of commands about slipway itself: an explanation, a completion script, the simulator's address."""

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


@dataclass(frozen=True)
class Listening:
    """The simulated account, which listens at `url` on this machine only."""

    SCHEMA: ClassVar[str] = "slipway/listening/1"

    url: str
