"""Help on this machine: doctor, explain, completion."""

from typing import TYPE_CHECKING

from slipway.commands.command import Caller, Command, Flag, Flags, Group, Result
from slipway.commands.flags import ENDPOINT, SOURCE

if TYPE_CHECKING:
    from slipway.report.answers import CommandResult

_HERE = "it is about the command line on your machine"


async def doctor(flags: Flags, _caller: Caller) -> "CommandResult":
    from slipway.doctor.checkup import check_up
    from slipway.doctor.question import Question
    from slipway.local.gate import folder_of
    from slipway.report import answers

    question = Question(folder_of(flags.source), flags.database_url, flags.endpoint_url, flags.offline)
    return answers.of_checkup(await check_up(question))


async def explain(flags: Flags, _caller: Caller) -> "CommandResult":
    from slipway.commands.explanation import explained
    from slipway.report.answers import CommandResult

    explanation = explained(flags.id)
    return CommandResult(record=explanation, text=explanation.text)


async def completion(flags: Flags, _caller: Caller) -> "CommandResult":
    from slipway.commands import grammar
    from slipway.records.explanation import Completion
    from slipway.report.answers import CommandResult

    script = grammar.completion(flags.shell)
    return CommandResult(record=Completion(flags.shell, script), text=script)


DOCTOR = Command(
    name="doctor",
    group=Group.MACHINE,
    sentence="Check what slipway needs on this machine; change nothing",
    flags=(
        SOURCE,
        Flag(name="database-url", metavar="URL", sentence="a Postgres server to check as well"),
        Flag(name="offline", sentence="check neither registries nor AWS"),
        ENDPOINT,
    ),
    results=(Result("checkup", "1 when a check ended in NG"),),
    run=doctor,
    not_on_dagger="a function runs in a container of the engine and cannot see your machine",
)
EXPLAIN = Command(
    name="explain",
    group=Group.MACHINE,
    sentence="Explain a rule of the gate, such as L01, or a command",
    flags=(
        Flag(
            name="id",
            metavar="ID",
            positional=True,
            sentence="the id of a rule, such as L01, or the name of a command, such as deploy",
        ),
    ),
    results=(Result("explanation"),),
    run=explain,
    not_on_dagger=_HERE,
)
COMPLETION = Command(
    name="completion",
    group=Group.MACHINE,
    sentence="Print a completion script for a shell",
    flags=(
        Flag(
            name="shell",
            metavar="SHELL",
            positional=True,
            choices=("bash", "zsh", "fish"),
            sentence="the shell: bash, zsh or fish",
        ),
    ),
    results=(Result("completion"),),
    run=completion,
    more="""\
bash:  slipway completion bash > ~/.local/share/bash-completion/completions/slipway

zsh:   slipway completion zsh > ~/.zfunc/_slipway   (with ~/.zfunc in fpath)

fish:  slipway completion fish > ~/.config/fish/completions/slipway.fish""",
    not_on_dagger=_HERE,
)
