"""Help on this machine: doctor, explain, completion."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from textwrap import fill, indent
from typing import TYPE_CHECKING

from slipway.commands.command import (
    AwsAccess,
    Caller,
    Command,
    Flag,
    Flags,
    Group,
    JsonRecord,
    command,
    option,
    switch,
    unknown,
)
from slipway.commands.flags import ENDPOINT, EXIT_CODES, SOURCE

if TYPE_CHECKING:
    from slipway.gate.rulebook.rule import Rule
    from slipway.records.command import Explanation
    from slipway.report.answers.result import CommandResult

_HERE = "it is about the command line on your machine"


@command(
    Group.MACHINE,
    "Check what slipway needs on this machine; change nothing",
    AwsAccess.READS,
    flags=(
        SOURCE,
        option("database-url", "URL", "a Postgres server to check as well"),
        switch("offline", "check neither registries nor AWS"),
        ENDPOINT,
    ),
    records=(
        JsonRecord(
            "doctorreport", "1 when the gate lacks something; what only images or AWS need changes no exit code"
        ),
    ),
    not_on_dagger="a function runs in a container of the engine and cannot see your machine",
    permissions=(),  # the only AWS call, GetCallerIdentity, needs no permission
)
async def doctor(flags: Flags, _caller: Caller) -> "CommandResult":
    from slipway.doctor.check import DoctorOptions
    from slipway.doctor.checkup import check_up
    from slipway.report.answers import machine as answers
    from slipway.source.commit import folder_of

    options = DoctorOptions(folder_of(flags.source), flags.database_url, flags.endpoint_url, flags.offline)
    return answers.of_checkup(await check_up(options))


@command(
    Group.MACHINE,
    "Explain a rule of the gate, such as L01, or a command; without either, list the rules",
    flags=(
        option(
            "id",
            "ID",
            "the id of a rule, such as L01, or the name of a command, such as deploy",
            positional=True,
            default="",
        ),
    ),
    records=(JsonRecord("explanation"),),
    not_on_dagger=_HERE,
)
async def explain(flags: Flags, _caller: Caller) -> "CommandResult":
    from slipway.report.answers.result import CommandResult

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
    from slipway.report.answers.result import CommandResult

    script = flags.complete(flags.shell)
    return CommandResult(record=Completion(flags.shell, script), text=script)


@command(
    Group.MACHINE,
    "List what slipway keeps in its cache on this machine, or remove it",
    flags=(
        switch(
            "prune",
            "remove what was not used for 30 days, and the oldest beyond 2 GB; the gate does so once a day",
            one_of="removal",
        ),
        switch("clear", "remove everything, which the next run makes again", one_of="removal"),
    ),
    records=(JsonRecord("cachereport"),),
    not_on_dagger="an engine has a cache of its own, and prunes it",
)
async def cache(flags: Flags, _caller: Caller) -> "CommandResult":
    from anyio import to_thread

    from slipway.local import cache
    from slipway.report.answers import machine as answers

    work = cache.clear if flags.clear else cache.prune if flags.prune else cache.report
    return answers.of_cache(await to_thread.run_sync(work))


def explained(subject: str, commands: Sequence[Command]) -> "Explanation":
    """Return the explanation of a rule or a command, or the list of all rules.

    Raise BadInputError for an unknown name.
    """
    from slipway.gate.rulebook import all_rules, rule_named
    from slipway.records.command import Explanation

    if not subject:
        return Explanation("", "".join(f"{rule.id:5}  {rule.name}\n" for rule in all_rules()))
    if rule := rule_named(subject):
        return Explanation(rule.id, "\n\n".join(_of_rule(rule)) + "\n")
    known = {each.name: each for each in commands}
    if subject in known:
        return Explanation(subject, _text(known[subject]))
    names = [*(rule.id for rule in all_rules()), *known]
    raise unknown("rule or command", subject, names, "`slipway explain` lists the rules, `slipway --help` the commands")


def _of_rule(rule: "Rule") -> Iterator[str]:
    yield f"{rule.id}: {rule.name}"
    yield fill(rule.message, 100)
    level = "off by default" if rule.optional else rule.level.value
    implies = ", ".join(each.value for each in rule.implies) or "no effect"
    yield f"Level: {level}\nCertificate: {implies}"
    if not (rule.code and rule.bad):  # the remedy's code has placeholders, and the good example has none
        yield f"Instead:\n{indent(rule.code, '    ') if rule.code else fill(rule.advice, 100)}"
    for title, code in (("Bad", rule.bad), ("Good", rule.good)) if rule.bad else ():
        yield f"{title}:\n{indent(code, '    ')}"
    if rule.related:
        yield f"Related rules: {', '.join(rule.related)}"


def _text(command: Command) -> str:
    parts = [f"{command.name}: {command.sentence}. It {command.access.value}."]
    if command.flags:
        parts.append("\n".join(["Flags", *map(_flag, command.flags)]))
    if command.records:
        records = (f"  slipway/{each.record}/1{f': {each.when}' if each.when else ''}" for each in command.records)
        parts.append("\n".join(["Records, with --json", *records]))
    parts.append(EXIT_CODES)
    if command.permissions and find_spec("slipway.release"):  # the distribution slipway-gate lacks that room
        parts += _actions(command)
    parts.append(_on_dagger(command))
    parts += [command.more] if command.more else []
    return "\n\n".join(parts) + "\n"


def _actions(command: Command) -> Iterator[str]:
    from slipway.release.bootstrap.roles import permissions_on
    from slipway.release.permissions import granted
    from slipway.release.targets.supported import TARGETS

    for kind, target in TARGETS.items():
        if command.name in target.impossible_names:
            continue
        actions = granted(
            (permission for name in command.permissions for permission in permissions_on(name, kind)), target.grants
        )
        lines = (f"  {resource.sid}: {', '.join(names)}" for resource, names in actions.items())
        yield "\n".join([f"IAM actions on {kind.value}, by policy statement", *lines])


def _flag(flag: Flag) -> str:
    typed = flag.metavar if flag.positional else f"--{flag.name} {flag.metavar}".rstrip()
    return f"  {typed}: {flag.sentence}"


def _on_dagger(command: Command) -> str:
    if command.not_on_dagger:
        return f"Not on Dagger: {command.not_on_dagger}."
    return f"On Dagger: {command.dagger_call}" + (f"; never red: {command.never_red}" if command.never_red else "")
