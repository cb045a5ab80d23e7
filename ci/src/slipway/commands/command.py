"""The description of a command: its name and flags, its result, its access to AWS, and the function that it runs.

`slipway --help` and an engine that registers the module read the descriptions. Their modules therefore import nothing
heavy.
"""

import argparse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from slipway.errors import BadInputError
from slipway.structure import nearest

if TYPE_CHECKING:
    from slipway.environment.environment import ServiceEnvironment
    from slipway.records.progress import Event, Progress
    from slipway.report.answers.result import CommandResult
    from slipway.settings import Settings

R = TypeVar("R")
Flags = argparse.Namespace


class Group(Enum):
    """A heading in help and on the reference page, with several commands below it."""

    TEST = "Set up and test"
    RELEASE = "Release"
    SERVICE = "Operate a service"
    ACCOUNT = "Prepare an account"
    MACHINE = "This machine"
    ENGINE = "Build and check in containers"


class AwsAccess(Enum):
    """How a command uses an AWS account."""

    NONE = "does not use AWS"
    READS = "reads AWS and changes nothing"
    CHANGES = "changes AWS"


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A flag of a command, on the command line and as an argument of its Dagger function."""

    name: str  # without dashes, such as "dry-run"
    sentence: str  # the sentence for help, Dagger and pages
    metavar: str = ""  # empty for a switch, which is false by default
    parse: Callable[[str], Any] = str
    default: Any = None
    required: bool = False
    repeated: bool = False
    positional: bool = False
    choices: tuple[str, ...] = ()
    bare: str = ""  # the value when the flag has none on the command line
    one_of: str = ""  # flags with the same label exclude each other; if they are required, one of them must be passed
    on_dagger: str = ""  # the difference of the Dagger function's argument
    dagger_default: str = ""  # the default of the Dagger function, if it differs from the sentence's
    not_on_dagger: str = ""  # why the Dagger function lacks this argument

    @property
    def key(self) -> str:
        """The flag's name in Python; a Python keyword gets an underscore."""
        name = self.name.replace("-", "_")
        return f"{name}_" if name == "from" else name

    @property
    def is_switch(self) -> bool:
        return not self.metavar

    @property
    def doc(self) -> str:
        """The sentence of the Dagger argument, with its default.

        Backquotes are removed, because Dagger would print them.
        """
        sentence = self.sentence.partition(" (default: ")[0] if self.dagger_default else self.sentence
        return "; ".join(filter(None, [sentence, self.on_dagger])).replace("`", "") + self.default_on_dagger

    @property
    def default_on_dagger(self) -> str:
        """The end of the sentence that states the default of the Dagger argument; empty when the default is the same."""
        return f" (default: {self.dagger_default})" if self.dagger_default else ""


def option(name: str, metavar: str, sentence: str, **more: Any) -> Flag:
    """Describe a flag with a value."""
    return Flag(name=name, metavar=metavar, sentence=sentence, **more)


def file(name: str, sentence: str, **more: Any) -> Flag:
    return option(name, "FILE", sentence, parse=Path, **more)


def switch(name: str, sentence: str, **more: Any) -> Flag:
    return Flag(name=name, sentence=sentence, **more)


@dataclass(frozen=True)
class JsonRecord:
    """A record that a command prints with `--json`, named `slipway/RECORD/1`.

    `when` is the condition or the exit code.
    """

    record: str
    when: str = ""


class Caller(Protocol):
    """The side that calls a command: a command line or a Dagger function."""

    @property
    def progress(self) -> "Progress": ...

    def run(self) -> AbstractContextManager[Callable[["Event"], None]]:
        """Show the events of one run of the release engine."""
        ...

    def say(self, answer: "CommandResult") -> None:
        """Print an answer while the command still runs."""
        ...

    def stream(self, answer: "CommandResult") -> None:
        """Print one of many answers; the job's result is none of them.

        Raise BrokenPipeError when the reader has closed the pipe.
        """
        ...

    def screen(self) -> AbstractContextManager[Callable[["CommandResult"], None]]:
        """Show answers that replace each other on a terminal.

        In a pipe, print each answer that differs from the previous one.
        """
        ...

    async def settings(self) -> "Settings":
        """Load the service's settings. Raise SettingsError when they cannot be used."""
        ...

    async def environment(self, name: str, settings: "Settings | None" = None) -> "ServiceEnvironment":
        """Return an environment of `settings`, by default of the folder's settings.

        Raise SettingsError when there is no such environment.
        """
        ...

    async def services(self) -> "Mapping[str, Settings]":
        """Load the settings of every service of the repository, by folder.

        Raise SettingsError when they cannot be used.
        """
        ...

    async def text(self, file: Any, what: str) -> str:
        """Read a file that a flag names. Raise BadInputError when it cannot be read."""
        ...

    async def record(self, kind: type[R], file: Any, what: str) -> R:
        """Read a record from a file that a flag names. Raise BadInputError when the file has no such record."""
        ...


Run = Callable[[Flags, Caller], Awaitable["CommandResult | None"]]
Around = Callable[[Flags], AbstractContextManager[object]]


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command.

    - sentence: the sentence for help, Dagger and pages.
    - more: further text for the command's help.
    - run: the command's function, which returns None when it has already printed everything. None for a function that
      only Dagger has.
    - around: on the command line, a context that starts work before the imports of `run`, and ends it afterwards.
    - permissions: the rows of the permissions table that its AWS calls need; by default the row of its name.
    - not_on_dagger: why Dagger has no such function.
    - never_red: why its Dagger function succeeds even when the command's exit code would not be 0.
    - cache: how long an engine may keep its result: "never", "session", or "" for Dagger's default.
    """

    name: str
    group: Group
    sentence: str
    access: AwsAccess = AwsAccess.NONE
    flags: tuple[Flag, ...] = ()
    records: tuple[JsonRecord, ...] = ()
    run: Run | None = None
    around: Around = nullcontext
    permissions: tuple[str, ...] = ()
    more: str = ""
    not_on_dagger: str = ""
    never_red: str = ""
    cache: str = "never"

    @property
    def of_environment(self) -> bool:
        """Whether the command is a function of the Dagger object Environment."""
        return any(flag.name in {"environment", "from"} for flag in self.flags)

    @property
    def dagger_call(self) -> str:
        return (
            f"dagger call environment --name ENVIRONMENT {self.name}"
            if self.of_environment
            else f"dagger call {self.name}"
        )

    @property
    def doc(self) -> str:
        """The sentence of the Dagger function."""
        return f"{self.sentence}.".replace("`", "")

    def flag(self, name: str) -> Flag:
        return next(flag for flag in self.flags if flag.name == name)

    def defaults(self) -> dict[str, Any]:
        """The default of every flag, by its name in Python."""
        return {flag.key: False if flag.is_switch else flag.default for flag in self.flags}


def command(group: Group, sentence: str, access: AwsAccess = AwsAccess.NONE, **more: Any) -> Callable[[Run], Command]:
    """Return a decorator that describes a command; the decorated function runs it and gives it its name."""

    def describe(run: Run) -> Command:
        name = run.__name__
        permissions = more.pop("permissions", (name,) if access is not AwsAccess.NONE else ())
        return Command(
            name=name, group=group, sentence=sentence, access=access, run=run, permissions=permissions, **more
        )

    return describe


def named(name: str, commands: Sequence[Command]) -> Command:
    """Return the command or Dagger function of this name. Raise BadInputError that suggests a similar name."""
    for command in commands:
        if command.name == name:
            return command
    raise unknown(
        "command",
        name,
        [command.name for command in commands if command.group is not Group.ENGINE],
        "`slipway --help` lists the commands",
    )


def unknown(kind: str, name: str, names: list[str], remedy: str) -> BadInputError:
    """Return the error for a name that does not exist, with a similar one."""
    similar = nearest(name, names)
    hint = f"did you mean {similar}? " if similar else ""
    return BadInputError(f"there is no {kind} {name!r:.80}", f"{hint}{remedy}")
