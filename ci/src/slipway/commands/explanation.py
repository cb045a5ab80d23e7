"""Explanations of the gate's rules and of commands."""

import json
import re
from importlib.resources import files

from slipway.commands import flags
from slipway.commands.command import Command, Flag
from slipway.commands.registry import COMMANDS, FUNCTIONS, unknown
from slipway.records.explanation import Explanation


def explained(subject: str) -> Explanation:
    """Return the explanation of a rule or a command; raises BadInputError."""
    rules = pages()
    name = subject if subject in rules else subject.upper()
    if name in rules:
        return Explanation(name, f"{_plain(rules[name])}\nPage: docs/rules/{name}.md\n")
    for command in FUNCTIONS:
        if command.name == subject:
            return Explanation(subject, _text(command))
    names = [*rules, *(command.name for command in COMMANDS)]
    raise unknown("rule or command", subject, names, "docs/gate.md lists the rules, `slipway --help` the commands")


def pages() -> dict[str, str]:
    """Return the page of every rule by id.

    `docs/make.py` writes them into this file, since the rules themselves import SQLAlchemy, which slipway's own environment lacks.
    """
    text = (files("slipway.commands") / "rules.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def _plain(page: str) -> str:
    """Return Markdown for a terminal: code indented, headings and links as text."""
    lines, in_code = [], False
    for line in page.splitlines():
        if line.startswith("[All rules]"):  # the footer
            continue
        if line.startswith("```"):
            in_code = not in_code
        elif in_code:
            lines.append(f"    {line}".rstrip())
        else:
            lines.append(re.sub(r"^#+ ", "", re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", line)))
    return "\n".join(lines).rstrip() + "\n"


def _text(command: Command) -> str:
    from slipway.release.targets.app_runner.permissions import VERBS, merged

    parts = [f"{command.name}: {command.sentence}. It {command.access.value}."]
    if command.flags:
        parts.append("\n".join(["Flags", *map(_flag, command.flags)]))
    if command.records:
        parts.append(
            "\n".join(["Records, with --json", *(_result(each.record, each.when) for each in command.records)])
        )
    parts.append(flags.EXIT_CODES)
    if actions := merged(*(VERBS[name] for name in command.rights)):
        parts.append(
            "\n".join(["IAM actions", *(f"  {kind.value}: {', '.join(names)}" for kind, names in actions.items())])
        )
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
