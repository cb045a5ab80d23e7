"""Writes the reference pages from the code that they describe: `python docs/make.py`. A test says when they disagree."""

import dataclasses
import json
import re
import sys
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType

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
from slipway.release.diagnosis.rules import CAUSES, ENDS, NEVER_RAN, SILENCES
from slipway.release.diagnosis.rules import Rule as Failure
from slipway.release.targets.app_runner.permissions import DEPLOY_ROLE, IMAGE_ROLE, VERBS, Resource
from slipway.structure import kebab

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
    ("[tool.slipway.environments.NAME.scaling]", settings.Scaling),
    ("[tool.slipway.environments.NAME.migration]", settings.MigrationRunner),
    ("[tool.slipway.github]", settings.Github),
    ("[tool.slipway.rehearsal]", settings.Rehearsal),
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
_ON = {
    Resource.ANY: "`*`: AWS cannot restrict these to a resource",
    Resource.REPOSITORY: "the service's ECR repository",
    Resource.SERVICE: "the App Runner service, by its name",
    Resource.SERVICE_AND_PARTS: "the service, its VPC connector and its auto scaling configuration, which both calls name",
    Resource.OWN_ROLE: "App Runner's service-linked role, which it creates with the caller's permission for the first service of an account",
    Resource.CONNECTORS: "its VPC connector",
    Resource.SCALINGS: "its auto scaling configuration",
    Resource.SERVICE_LOGS: "the log groups of the service",
    Resource.ROLES: "its access role and its instance role",
    Resource.PASSED_ROLES: "the same roles, which may be passed to App Runner only",
    Resource.SECRETS: "the secrets in the settings, each by ARN; their existence, not their values",
    Resource.DATABASE_SECRET: "the secret with the database's URL, if `migration.runner` is direct",
    Resource.DATABASE_PARAMETER: "the same, if it is a parameter in SSM",
    Resource.ANY_TASK: "`*`, if a task migrates: AWS cannot restrict these to a resource either",
    Resource.CLUSTER: "its cluster, which AWS addresses by its container instances",
    Resource.TASK_DEFINITION: "the definition of the task that migrates",
    Resource.TASKS: "the tasks in its cluster",
    Resource.TASK_LOGS: "its log group",
    Resource.TASK_ROLES: "its execution and task role, which may be passed to ECS tasks only",
}
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

_DIAGNOSIS = f"""\
When a deployment or a preflight has failed, its logs are held against these rules, each of which was tried on recorded logs (`tests/release/logs`). The
answer is one cause, the lines it rests on, and what to do. Only the lines of the instances that this deployment began count; those of the release that
is live do not. Values of variables and passwords in URLs are taken out of what is shown; what a release itself writes of its secrets cannot be told from other words.

Rules are asked from above. When there is no application log of the deployment, and the platform names no exit code, {NEVER_STARTED.cause.split(":", maxsplit=1)[0]}:
{NEVER_STARTED.remedy}. When no rule knows the cause, the last lines are shown."""
FAILURES = (
    ("What never ran", "The platform says itself that it could not begin.", NEVER_RAN),
    ("Causes", "Of several the one whose line comes first wins, for others follow from it.", CAUSES),
    ("How it ended", "What is known when the log names no cause.", ENDS),
    ("Silence", "The container runs, and the health check has no answer that is good.", SILENCES),
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
    """Every page by the name of its file."""
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
    said = docstrings.of_fields(kind, kebab)
    hints = typing.get_type_hints(kind)
    yield "| key | what it is | default |\n| --- | --- | --- |"
    for field in dataclasses.fields(kind):
        key = kebab(field.name)
        if not dataclasses.is_dataclass(hints[field.name]) and key not in ("environments", "github"):
            yield f"| `{key}` | {said.get(key, '')} | {_default(field)} |"


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
        _NEEDS,
        _SINCE,
        _ALLOWING,
    ]
    for family in FAMILIES:
        parts += [f"## {family.heading}", family.sees, "\n".join(_index(family))]
    return "\n\n".join(parts) + "\n"


def _diagnosis() -> str:
    parts = ["# Why a deployment failed", _DIAGNOSIS]
    for heading, words, rules in FAILURES:
        parts += [f"## {heading}", words, "\n".join(_failures(rules))]
    return "\n\n".join(parts) + "\n"


def _permissions() -> str:
    parts = ["# Permissions: what each command may do in AWS", _PERMISSIONS]
    parts += [
        "\n".join(_verbs()),
        "## Resources",
        "\n".join(docstrings.wrapped(f"- **{kind.value}**: {_ON[kind]}.", "  ") for kind in Resource),
    ]
    parts += ["## The two kinds of roles", "\n".join(_roles())]
    return "\n\n".join(parts) + "\n"


def _verbs() -> Iterator[str]:
    yield "| command | actions |\n| --- | --- |"
    for verb, actions in VERBS.items():
        narrowed = (f"{kind.value}: {', '.join(f'`{action}`' for action in found)}" for kind, found in actions.items())
        yield f"| {verb} | {'<br>'.join(narrowed)} |"


def _roles() -> Iterator[str]:
    yield docstrings.wrapped(f"- for jobs without a GitHub environment: {', '.join(IMAGE_ROLE)}", "  ")
    yield docstrings.wrapped(f"- for jobs of one environment: {', '.join(DEPLOY_ROLE)}", "  ")


def _failures(rules: tuple[Failure, ...]) -> Iterator[str]:
    yield "| rule | needs to see | cause | remedy |\n| --- | --- | --- | --- |"
    for rule in rules:
        where = f"{rule.sees}, in the {rule.log}'s log"
        yield f"| {rule.id} | {where} | {_named(rule.cause)} | {_named(rule.remedy)} |"


def _named(text: str) -> str:
    """Gaps as a reader of help knows them: {name} as NAME."""
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
