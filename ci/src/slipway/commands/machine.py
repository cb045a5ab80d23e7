"""Help on this machine: doctor, explain, completion."""

from typing import TYPE_CHECKING

from slipway.commands.command import Caller, Flags, Group, JsonRecord, command, option, switch
from slipway.commands.flags import ENDPOINT, SOURCE

if TYPE_CHECKING:
    from slipway.report.answers import CommandResult

_HERE = "it is about the command line on your machine"


@command(
    Group.MACHINE,
    "Check what slipway needs on this machine; change nothing",
    flags=(
        SOURCE,
        option("database-url", "URL", "a Postgres server to check as well"),
        switch("offline", "check neither registries nor AWS"),
        ENDPOINT,
    ),
    records=(JsonRecord("doctorreport", "1 when a check ended in NG"),),
    not_on_dagger="a function runs in a container of the engine and cannot see your machine",
)
async def doctor(flags: Flags, _caller: Caller) -> "CommandResult":
    from slipway.doctor.check import DoctorOptions
    from slipway.doctor.checkup import check_up
    from slipway.local.gate import folder_of
    from slipway.report import answers

    options = DoctorOptions(folder_of(flags.source), flags.database_url, flags.endpoint_url, flags.offline)
    return answers.of_checkup(await check_up(options))


@command(
    Group.MACHINE,
    "Explain a rule of the gate, such as L01, or a command",
    flags=(
        option("id", "ID", "the id of a rule, such as L01, or the name of a command, such as deploy", positional=True),
    ),
    records=(JsonRecord("explanation"),),
    not_on_dagger=_HERE,
)
async def explain(flags: Flags, _caller: Caller) -> "CommandResult":
    from slipway.commands.explanation import explained
    from slipway.report.answers import CommandResult

    explanation = explained(flags.id, flags.commands)
    return CommandResult(record=explanation, text=explanation.text)


@command(
    Group.MACHINE,
    "Print a completion script for a shell",
    flags=(option("shell", "SHELL", "the shell: bash, zsh or fish", positional=True, choices=("bash", "zsh", "fish")),),
    records=(JsonRecord("completion"),),
    more="""\
bash:  slipway completion bash > ~/.local/share/bash-completion/completions/slipway

zsh:   slipway completion zsh > ~/.zfunc/_slipway   (with ~/.zfunc in fpath)

fish:  slipway completion fish > ~/.config/fish/completions/slipway.fish""",
    not_on_dagger=_HERE,
)
async def completion(flags: Flags, _caller: Caller) -> "CommandResult":
    from slipway.records.command import Completion
    from slipway.report.answers import CommandResult

    script = flags.complete(flags.shell)
    return CommandResult(record=Completion(flags.shell, script), text=script)
