"""Explanations of the gate's rules and of commands."""

from collections.abc import Iterator, Sequence
from textwrap import fill, indent
from typing import TYPE_CHECKING

from slipway.commands import flags
from slipway.commands.command import Command, Flag, unknown
from slipway.records.explanation import Explanation

if TYPE_CHECKING:
    from slipway.gate.rulebook.rule import Rule


def explained(subject: str, commands: Sequence[Command]) -> Explanation:
    """Return the explanation of a rule or a command; raises BadInputError."""
    from slipway.gate.rulebook import all_rules, rule_named

    if rule := rule_named(subject):
        return Explanation(rule.id, "\n\n".join(_of_rule(rule)) + "\n")
    for command in commands:
        if command.name == subject:
            return Explanation(subject, _text(command))
    names = [*(rule.id for rule in all_rules()), *(command.name for command in commands)]
    raise unknown("rule or command", subject, names, "docs/gate.md lists the rules, `slipway --help` the commands")


def _of_rule(rule: "Rule") -> Iterator[str]:
    yield f"{rule.id}: {rule.name}"
    yield fill(rule.message, 100)
    level = "off by default" if rule.optional else rule.level.value
    implies = ", ".join(each.value for each in rule.implies) or "no effect"
    yield f"Level: {level}\nCertificate: {implies}"
    if not (rule.code and rule.bad):  # the code has placeholders, and the good example has none
        yield f"Instead:\n{indent(rule.code, '    ') if rule.code else fill(rule.advice, 100)}"
    for title, code in (("Bad", rule.bad), ("Good", rule.good)) if rule.bad else ():
        yield f"{title}:\n{indent(code, '    ')}"
    related = f"Related rules: {', '.join(rule.related)}\n" if rule.related else ""
    yield f"{related}Page: docs/rules/{rule.id}.md"


def _text(command: Command) -> str:
    from slipway.release.permissions import RIGHTS
    from slipway.release.rights import granted
    from slipway.release.targets.registry import TARGETS

    parts = [f"{command.name}: {command.sentence}. It {command.access.value}."]
    if command.flags:
        parts.append("\n".join(["Flags", *map(_flag, command.flags)]))
    if command.records:
        parts.append(
            "\n".join(["Records, with --json", *(_result(each.record, each.when) for each in command.records)])
        )
    parts.append(flags.EXIT_CODES)
    rights = [right for name in command.rights for right in RIGHTS[name]]
    for kind, target in TARGETS.items() if rights else ():
        actions = granted(rights, target.grants)
        lines = (f"  {resource.sid}: {', '.join(names)}" for resource, names in actions.items())
        parts.append("\n".join([f"IAM actions on {kind.value}, by policy statement", *lines]))
    parts.append(_on_dagger(command))
    parts += [command.more] if command.more else []
    return "\n\n".join(parts) + "\n"


def _flag(flag: Flag) -> str:
    typed = flag.metavar if flag.positional else f"--{flag.name} {flag.metavar}".rstrip()
    return f"  {typed}: {flag.sentence}"


def _result(record: str, when: str) -> str:
    return f"  slipway/{record}/1{f': {when}' if when else ''}"


def _on_dagger(command: Command) -> str:
    if command.not_on_dagger:
        return f"Not on Dagger: {command.not_on_dagger}."
    return f"On Dagger: {command.dagger_call}" + (f"; never red: {command.never_red}" if command.never_red else "")
