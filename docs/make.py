"""Write the reference pages from the code that they describe: `make pages`."""

import dataclasses
import json
import re
import sys
import textwrap
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from slipway import settings
from slipway.gate.rules import (
    advice,
    allowances,
    blocking,
    causes,
    compatibility,
    data,
    drift,
    graph,
    reversibility,
    transactions,
    waiting,
)
from slipway.gate.rules.every import of
from slipway.gate.rules.rule import Rule
from slipway.release.diagnosis.cause import NEVER_STARTED
from slipway.release.diagnosis.rules import CAUSES, ENDS, NEVER_RAN, SILENCES, FailureRule
from slipway.release.permissions import DEPLOY_ROLE, IMAGE_ROLE, RIGHTS
from slipway.release.rights import Actions, granted
from slipway.release.targets.registry import TARGETS
from slipway.structure import constraints, kebab

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the tests load this file by its path

import commands_page  # noqa: E402
import docstrings  # noqa: E402 -- found there
import json_page  # noqa: E402
import record_schemas  # noqa: E402
import rule_examples  # noqa: E402
import simulator_tables  # noqa: E402
from rule_examples import Example  # noqa: E402

TABLES = (
    ("[tool.slipway]", settings.Settings),
    ("[tool.slipway.migrations]", settings.Migrations),
    ("[tool.slipway.environments.NAME]", settings.Environment),
    ("[tool.slipway.environments.NAME.network]", settings.Network),
    ("[tool.slipway.environments.NAME.migration]", settings.MigrationRunner),
    ('[tool.slipway.environments.NAME] with target = "app-runner"', settings.AppRunnerEnvironment),
    ("[tool.slipway.environments.NAME.health-check]", settings.HealthPace),
    ("[tool.slipway.environments.NAME.scaling]", settings.Scaling),
    ("[tool.slipway.github]", settings.Github),
    ("[tool.slipway.rehearsal]", settings.RehearsalCommits),
    ("[tool.slipway.checks]", settings.Checks),
    ("[tool.slipway.images]", settings.Images),
)
_PLAIN = {
    "unique": "",
    "sql_unique": "",
    "schema": "",
    "source_schema": "",
}  # what is in a remedy only when the statement has it
_SINCE = """\
`slipway gate --since` takes the place of `start-after` for once: a revision, a git ref (`origin/main`, a tag, a commit: what was in the tree there is
history, unless it was edited since), or `merge-base`, that of HEAD and the default branch. A name that is both is the revision. In CI git needs
the commits: `fetch-depth: 0` for actions/checkout. `dagger call gate --since` takes revisions only, for git's history is not sent there.

What is old is upgraded once, and what is new begins with copies of that. On a host the copy stays in slipway's cache, under the hash of the old revisions, what
they import, what stands beside them, env.py and the versions: the next run executes only what is new."""
_PERMISSIONS = """\
`slipway permissions --environment NAME` prints the policy of an environment's deploy role with the
ARNs of your settings; with `--verb` it prints the least that single commands need.
`slipway bootstrap` creates the roles: [how-to/bootstrap.md](how-to/bootstrap.md). A test runs each
command under exactly this policy; a missing action is named in the error."""
_NEEDS = """\
The service needs SQLAlchemy 1.4.24 and alembic 1.8 or newer, and a driver for Postgres. Its revisions are executed, with rows of slipway's making in
their tables: what a revision does outside of the database it does here too, so give the gate no credentials that reach anything.

A server that you name (`--database-url`) must be one that can be thrown away. The gate works in databases of its own there, and drops them with the
roles that revisions created. It refuses a database that is not empty, and a URL that looks like production unless `--allow-production-like` says that it is none.
A step that takes longer than `patience` is a finding. Passwords and tokens from the service's variables are taken out of all that is written."""
_ALLOWING = """\
A comment in the revision's file allows what a rule objects to:

```python
# slipway: allow L08 until=2027-01-31 because the table has ten rows
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"])
```

It stands on the line of the statement, right above it, or at the top level of the file, where it holds for the whole revision. The reason is
required; `until=` names the last day on which it holds (UTC), and may be left out; several rules have commas between. What is allowed stays in the
proof with the reason, and does not count."""

_DIAGNOSIS = f"""
After a failed deployment or preflight, slipway compares the logs with these rules. Each was tested
on recorded logs (`tests/release/logs`). The result is one cause, the lines that prove it, and a
remedy. Only lines of the instances that this deployment started count, not those of the live
release. Values of variables and passwords in URLs are removed from the lines. Secrets that a release
itself writes to its log cannot be recognised.

The rules apply from top to bottom. Without an application log of the deployment and without an exit
code, {NEVER_STARTED.cause.split(":", maxsplit=1)[0]}:
{NEVER_STARTED.remedy}.
Without a matching rule, the last lines are shown."""
FAILURES = (
    ("Never started", "The platform reports that it could not start the release.", NEVER_RAN),
    (
        "Causes",
        "If several match, the one with the earliest line counts, because later failures follow from it.",
        CAUSES,
    ),
    ("Endings", "Known facts when the log names no cause.", ENDS),
    ("Health checks", "The container runs, and its health check fails.", SILENCES),
)


@dataclasses.dataclass(frozen=True)
class Family:
    """Rules that rest on the same evidence: `sees` says which."""

    heading: str
    sees: str
    modules: tuple[ModuleType, ...]

    def rules(self) -> list[Rule]:
        return [rule for module in self.modules for rule in of(module)]


FAMILIES = (
    Family("L: work under a lock", "A lock that stops readers or writers of a table that was there before, held while rows are rewritten, indexed or read whole: what each statement did, read from `pg_locks`, `relfilenode` and the counters of its transaction.", (causes, blocking)),
    Family("Q: locks that are waited for", "The locks that a statement takes on tables and views that were there before, those that its transaction holds already, and the `lock_timeout` in force.", (waiting,)),
    Family("T: transactions", "Which statements ran in which transaction, and what Postgres said.", (transactions,)),
    Family("R and U: can it be undone, and done again?", "The catalog after every step: up, down, and up again.", (reversibility,)),
    Family("C: the previous release must keep working", "The statements of the previous release, recorded by its own tests or derived from its models, said again after each new revision; those count that worked before.", (compatibility,)),
    Family("D: what happens to rows?", "Tables that were filled with rows as the history made them, before and after every step.", (data,)),
    Family("G: the graph of revisions", "The revisions as alembic reads them, and the files at a git ref.", (graph,)),
    Family("P and S: matters of taste", 'The statements of a revision, and what they added to the catalog. Each is off until `[tool.slipway.migrations]` names it: `levels = ["S01=warning"]`.', (advice,)),
    Family("Drift: migrations and models", "Two databases, one that the migrations built and one that the models built, compared by catalog.", (drift,)),
    Family("A: comments that allow what a rule objects to", "The comments in the revisions' files, and what was found.", (allowances,)),
)  # fmt: skip


def pages() -> dict[str, str]:
    """Return the text of every page, by its file below docs/."""
    shown = rule_examples.examples()
    each = {
        f"rules/{rule.id}.md": _rule(rule, family, shown.get(rule.id)) for family in FAMILIES for rule in family.rules()
    }
    schemas = {f"schemas/{record_schemas.file_of(kind)}": record_schemas.text(kind) for kind in record_schemas.kinds()}
    tables = {"settings.md": _settings(), "gate.md": _gate(), "diagnosis.md": _diagnosis()}
    tables["../ci/src/slipway/simulator/README.md"] = simulator_tables.readme()
    tables |= {"commands.md": commands_page.commands(), "json.md": json_page.page(), "permissions.md": _permissions()}
    explained = {name.removeprefix("rules/").removesuffix(".md"): page for name, page in each.items()}
    tables["../ci/src/slipway/commands/rules.json"] = json.dumps(explained, indent=1, ensure_ascii=False) + "\n"
    return {**tables, **each, **schemas}


def _settings() -> str:
    parts = [
        "# Settings",
        "Facts about a service, in its own `pyproject.toml`. An unknown key or a wrong type is refused; secrets never stand here.",
    ]
    for heading, kind in TABLES:
        parts += [f"## {heading}", "\n".join(_keys(kind))]
    return "\n\n".join(parts) + "\n"


def _keys(kind: type) -> Iterator[str]:
    """The keys of a table; those of a target's table are only its own."""
    said = docstrings.of_fields(kind, kebab)
    hints = typing.get_type_hints(kind, include_extras=True)
    yield "| key | what it is | allowed | default |\n| --- | --- | --- | --- |"
    for field in dataclasses.fields(kind):
        key = kebab(field.name)
        if field.name in kind.__annotations__ and (key in said or not dataclasses.is_dataclass(hints[field.name])):
            allowed = _allowed(hints[field.name])
            if key not in ("environments", "github"):
                yield f"| `{key}` | {said.get(key, '')} | {allowed} | {_default(field)} |"


def _allowed(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"`{each.value}`" for each in kind)
    return "; ".join(each.allowed for each in constraints(kind))


def _default(field: "dataclasses.Field[object]") -> str:
    default = field.default.value if isinstance(field.default, Enum) else field.default
    if default is not dataclasses.MISSING:
        return (
            "none"
            if default in (None, ()) or dataclasses.is_dataclass(default)
            else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        )
    return "none" if field.default_factory is not dataclasses.MISSING else "**required**"


def _gate() -> str:
    parts = [
        "# The gate's rules",
        "A rule fires from what was executed. An error fails the gate, in revisions after `start-after`.",
        _NEEDS,
        _SINCE,
        _ALLOWING,
    ]
    for family in FAMILIES:
        parts += [f"## {family.heading}", family.sees, "\n".join(_index(family))]
    return "\n\n".join(parts) + "\n"


def _diagnosis() -> str:
    parts = ["# Why a deployment failed", *map(_wrapped, _DIAGNOSIS.split("\n\n"))]
    for heading, words, rules in FAILURES:
        parts += [f"## {heading}", words, "\n".join(_failures(rules))]
    return "\n\n".join(parts) + "\n"


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(" ".join(paragraph.split()), 100, break_long_words=False, break_on_hyphens=False)


def _permissions() -> str:
    parts = ["# Permissions: what each command may do in AWS", _PERMISSIONS]
    for kind, target in TARGETS.items():
        verbs = {verb: granted(rights, target.grants) for verb, rights in RIGHTS.items()}
        resources = sorted({each for actions in verbs.values() for each in actions}, key=lambda each: each.sid)
        where = (docstrings.wrapped(f"- **{resource.sid}**: {resource.what}.", "  ") for resource in resources)
        parts += [f"## On {kind.value}", "\n".join(_verbs(verbs)), f"### Resources of {kind.value}", "\n".join(where)]
    parts += ["## The two kinds of roles", "\n".join(_roles())]
    return "\n\n".join(parts) + "\n"


def _verbs(verbs: Mapping[str, Actions]) -> Iterator[str]:
    yield "| command | actions |\n| --- | --- |"
    for verb, actions in verbs.items():
        narrowed = (f"{kind.sid}: {', '.join(f'`{name}`' for name in names)}" for kind, names in actions.items())
        yield f"| {verb} | {'<br>'.join(narrowed)} |"


def _roles() -> Iterator[str]:
    yield docstrings.wrapped(f"- for jobs without a GitHub environment: {', '.join(IMAGE_ROLE)}", "  ")
    yield docstrings.wrapped(f"- for jobs of one environment: {', '.join(DEPLOY_ROLE)}", "  ")


def _failures(rules: tuple[FailureRule, ...]) -> Iterator[str]:
    yield "| rule | needs to see | cause | remedy |\n| --- | --- | --- | --- |"
    for rule in rules:
        where = f"{rule.seen.words}, in the {rule.seen.log}'s log"
        yield f"| {rule.id} | {where} | {_named(rule.cause)} | {_named(rule.remedy)} |"


def _named(text: str) -> str:
    """Write gaps as help does: {name} as NAME."""
    return re.sub(r"{(\w+)}", lambda gap: gap[1].upper().replace("_", "-"), text)


def _index(family: Family) -> Iterator[str]:
    yield "| rule | level | what it says |\n| --- | --- | --- |"
    for rule in family.rules():
        yield f"| [{rule.id} {rule.name}](rules/{rule.id}.md) | {_level(rule)} | {rule.effect} |"


def _level(rule: Rule) -> str:
    return "off" if rule.optional else rule.level.value


def _rule(rule: Rule, family: Family, example: Example | None) -> str:
    """The page of a rule; what is shown was executed by the tests."""
    parts = [f"# {rule.id}: {rule.name}", f"{rule.effect} (Level: {_level(rule)}.)", f"Seen by: {family.sees}"]
    if example is None or "bad" not in example.bodies:
        parts += ["## Instead", _code(_plain(rule.remedy)), *(_graphs(example) if example else ())]
    else:
        if example.bodies["before"] != "pass":
            parts += ["## There before", _code(example.bodies["before"])]
        parts += ["## Found", *_revisions(example, "bad"), "## Silent", *_revisions(example, "good")]
    parts += (
        [f"[All rules](../gate.md) · [{rule.id}.py]({rule.id}.py), which the tests execute"]
        if example
        else ["[All rules](../gate.md)"]
    )
    return "\n\n".join(parts) + "\n"


def _revisions(example: Example, side: str) -> Iterator[str]:
    """The revisions of one side, one below the other."""
    if options := example.constants.get(f"{side.upper()}_OPTIONS"):
        yield f"With `context.configure(…, {options})`:"
    if said := example.constants.get(f"{side.upper()}_ENV"):
        yield "When env.py says this before `context.configure(…)`:"
        yield _code(said.strip())
    for number, (upgrade, downgrade) in enumerate(example.revisions(side)):
        if number:
            yield "In the next revision:"
        yield _code(upgrade)
        if downgrade is not None:
            yield "and in `downgrade()`:"
            yield _code(downgrade)
    if models := example.constants.get("MODELS"):
        yield "while the models say:"
        yield _code(models)
    if previous := example.constants.get(f"{side.upper()}_PREVIOUS", example.constants.get("PREVIOUS")):
        yield "while the models of the previous release say:"
        yield _code(previous)
    if start := example.constants.get(f"{side.upper()}_START"):
        yield f"while the previous release starts with `{start}`."
    if recorded := example.constants.get("RECORDED"):
        yield "while the tests of the previous release said:"
        yield "```sql\n" + "\n".join(recorded) + "\n```"


def _graphs(example: Example) -> Iterator[str]:
    for side, heading in (("BAD", "Found"), ("GOOD", "Silent")):
        graph, ahead = example.constants[f"{side}_GRAPH"], example.constants.get("AHEAD", {})
        arrows = [
            f"{each}  follows  {_parents(parents)}{_more(example, side, each)}" for each, parents in graph.items()
        ]
        arrows += [
            f"{each}  follows  {_parents(down)}  (added by others)" for each, down in ahead.items() if each not in graph
        ]
        yield f"## {heading}"
        yield "```\n" + "\n".join(arrows) + "\n```"


def _more(example: Example, side: str, revision: str) -> str:
    depends = example.constants.get(f"{side}_DEPENDS", {}).get(revision)
    released = "  (released)" if revision in example.constants.get("RELEASED", ()) else ""
    return (f"  and depends on  {depends}" if depends else "") + released


def _parents(parents: str | tuple[str, ...] | None) -> str:
    return "nothing" if parents is None else parents if isinstance(parents, str) else " and ".join(parents)


def _plain(remedy: str) -> str:
    return re.sub(r"{(\w+)}", lambda gap: _PLAIN.get(gap[1], gap[1].removeprefix("sql_")), remedy)


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
