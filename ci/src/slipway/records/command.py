"""Records of commands about slipway itself: an explanation, a completion script, the simulator's address."""

from dataclasses import dataclass

from slipway.records.form import Record


@dataclass(frozen=True)
class Explanation(Record, schema="slipway/explanation/1"):
    """The text about a rule or a command. `subject` is its id or name."""

    subject: str
    text: str


@dataclass(frozen=True)
class Completion(Record, schema="slipway/completion/1"):
    """The completion script of a shell."""

    shell: str
    script: str


@dataclass(frozen=True)
class Listening(Record, schema="slipway/listening/1"):
    """The simulated account, which listens at `url` on this machine only."""

    url: str
