"""Writes the reference pages from the code that they describe: `python docs/make.py`. A test says when they disagree."""

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from slipway import settings
from slipway.gate.rules import allowances, blocking, data, drift, graph, reversibility
from slipway.gate.rules.every import of
from slipway.gate.rules.rule import Rule
from slipway.structure import kebab

HERE = Path(__file__).parent
TABLES = (
    ("[tool.slipway]", settings.Settings),
    ("[tool.slipway.migrations]", settings.Migrations),
    ("[tool.slipway.environments.NAME]", settings.Environment),
    ("[tool.slipway.rehearsal]", settings.Rehearsal),
    ("[tool.slipway.checks]", settings.Checks),
    ("[tool.slipway.images]", settings.Images),
)
_PLAIN = {"unique": "", "schema": "", "source_schema": ""}  # what is in a remedy only when the statement has it
_SINCE = """\
`slipway gate --since` takes the place of `start-after` for once: a revision, a git ref (`origin/main`, a tag, a commit: what was in the tree there is
history, unless it was edited since), or `merge-base`, that of HEAD and the default branch. A name that is both is the revision. In CI git needs
the commits: `fetch-depth: 0` for actions/checkout. `dagger call gate --since` takes revisions only, for git's history is not sent there."""
_ALLOWING = """\
A comment in the revision's file allows what a rule objects to:

```python
# slipway: allow L08 until=2027-01-31 because the table has ten rows
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"])
```

It stands on the line of the statement, right above it, or at the top level of the file, where it holds for the whole revision. The reason is
required; `until=` names the last day on which it holds (UTC), and may be left out; several rules have commas between. What is allowed stays in the
proof with the reason, and does not count."""
FAMILIES = (
    ("G: the graph of revisions", graph),
    ("R and U: can it be undone, and done again?", reversibility),
    ("L and Q: work under a lock", blocking),
    ("D: what happens to rows?", data),
    ("Drift: migrations and models", drift),
    ("A: comments that allow what a rule objects to", allowances),
)


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    return {"settings.md": _settings(), "gate.md": _gate()}


def _settings() -> str:
    parts = [
        "# Settings",
        "Facts about a service, in its own `pyproject.toml`. An unknown key or a wrong type is refused; secrets never stand here.",
    ]
    for heading, kind in TABLES:
        parts += [f"## {heading}", "\n".join(_keys(kind))]
    return "\n\n".join(parts) + "\n"


def _keys(kind: type) -> Iterator[str]:
    said = dict(_documented(kind))
    hints = typing.get_type_hints(kind)
    yield "| key | what it is | default |\n| --- | --- | --- |"
    for field in dataclasses.fields(kind):
        key = kebab(field.name)
        if not dataclasses.is_dataclass(hints[field.name]) and key != "environments":
            yield f"| `{key}` | {said.get(key, '')} | {_default(field)} |"


def _documented(kind: type) -> Iterator[tuple[str, str]]:
    """The lines `- key, key: words.` of a docstring; a line may go on below."""
    text = re.sub(r"\n {2,}(?=[^- ])", " ", inspect.cleandoc(kind.__doc__ or ""))
    for line in re.findall(r"^- (.+)$", text, re.MULTILINE):
        for names, words in re.findall(
            r"((?:[a-z-]+(?: \([^)]*\))?(?:, )?)+): (.+?)(?=(?:\. [a-z-]+(?:, [a-z-]+)*: )|$)", line
        ):
            for name in names.split(", "):
                yield name.partition(" (")[0], words.rstrip(".")


def _default(field: "dataclasses.Field[object]") -> str:
    if field.default is not dataclasses.MISSING:
        return (
            "none"
            if field.default in (None, ())
            else f"`{field.default.value if isinstance(field.default, Enum) else field.default}`"
        )
    return "none" if field.default_factory is not dataclasses.MISSING else "**required**"


def _gate() -> str:
    parts = [
        "# The gate's rules",
        "A rule fires from what was executed. An error fails the gate, in revisions after `start-after`.",
        _SINCE,
        _ALLOWING,
    ]
    for heading, module in FAMILIES:
        parts += [f"## {heading}", *(_rule(rule) for rule in of(module))]
    return "\n\n".join(parts) + "\n"


def _rule(rule: Rule) -> str:
    remedy = re.sub(r"{(\w+)}", lambda gap: _PLAIN.get(gap[1], gap[1].removeprefix("sql_")), rule.remedy)
    return f"### {rule.id} ({rule.level.value})\n\n{rule.effect}\n\n```\n{remedy}\n```"


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
