"""The pages of the gate's rules, from the rulebook; the tests execute the examples that they show."""

import re
import textwrap
from collections.abc import Iterator

from slipway.gate.rulebook import FAMILIES, Family
from slipway.gate.rulebook.rule import Rule

_NEEDS = """\
The service needs SQLAlchemy 1.4.24 and alembic 1.8 or newer, and a driver for Postgres. The gate executes its revisions,
on tables that it fills with rows. If a revision sends mail or calls an API, it does so in the gate, too: give the gate no
credentials for other systems. Where it cannot invent a value that a column accepts, name some in `samples`.

Revisions run as a role with the privileges of production's: `role` in the settings, by default with the privileges of RDS' main user
([more](explanation/proofs.md#the-role-of-production)). The new ones also run once in a single
`alembic upgrade heads`, in the transactions that env.py makes, on tables with rows.

alembic's settings are read as its command line reads them: from alembic.ini, [tool.alembic] in pyproject.toml or both, with
`section` for `--name` and `x-arguments` for `-x`. When one env.py migrates several databases, as alembic's template multidb
does, the history is tested in each of them; `slipway migrate` refuses such an env.py, because it is given one URL.

A server that you name (`--database-url`) must be disposable. The gate creates databases of its own on it and drops them
afterwards, together with the roles that revisions created. It refuses a database that is not empty, and a URL that looks
like production unless you pass `--allow-production-like`. A step that takes longer than `timeout` is a finding. Passwords
and tokens from the service's variables are removed from all output."""
_SINCE = """\
The gate tests the new revisions. It also runs the old ones, but only upwards, and reports no findings on them. By
default the new revisions of a branch are those that the default branch lacks (origin/HEAD, main, master, develop or trunk).
On the default branch itself they are those that are not committed or not pushed yet. If there are none, they are those
that the newest release tag lacks (a tag with a digit, of the year before HEAD); if it lacks none, or there is no such tag,
only the newest revision is new; with `start-after`, all after `start-after` are.

Revisions up to `start-after` in the settings are old: `slipway init` sets it to the revision at which a service
adopts slipway. `--all-revisions` tests every revision, these too; `dagger call gate` without `--since` tests all after
`start-after`. The report says which revisions were tested, and how many older ones were only run.

`slipway gate --since` replaces this choice and `start-after` for one run. It takes a revision; a git ref such as
`origin/main`, a tag or a commit, whose revisions are old unless they were edited since; or `merge-base`, the commit at which
HEAD left the default branch. A name that is both a revision and a ref means the revision. In CI, git needs the commits: set
`fetch-depth: 0` for actions/checkout. `dagger call gate --since` takes revisions only, because the git history is not sent
to the engine.

The release that the new revisions are compared with is the [previous release](how-to/previous-release.md), whose statements
must work on the new schema. With `previous = "required"` it is an error, C21, when they could not be replayed.

Old revisions are upgraded once, and each check of a new one starts from a copy of that database. On a host the copy stays
in slipway's cache, keyed by a hash of the old revisions, their imports, the files beside them, env.py and the versions: the
next run executes only the new revisions. `slipway cache` lists, prunes and clears it."""
_ALLOWING = """\
A comment in the revision's file suppresses the findings of a rule:

```python
# slipway: allow L08 until=2027-01-31 because the table has ten rows
op.create_foreign_key("notes_author", "notes", "authors", ["author_id"], ["id"])
```

Write it on the line of the statement, right above it, or at the top level of the file to cover the whole revision. The
reason is required. `until=` is optional and names the last day (UTC) on which the comment applies. Separate several rules
with commas. Suppressed findings stay in the proof with the reason and do not fail the gate."""
_LEVELS = """\
An error fails the gate; a warning or a note does not. Only new revisions have findings. A finding is about something that was executed; one of G is about the files and the graph of revisions.
`levels` in the [settings](settings.md) changes the level of a rule or turns it off. Some findings also set a verdict in the
[certificate](how-to/roll-back.md#the-certificate), even when they are suppressed; the page of the rule says which. `slipway explain L01` prints a rule with its
example."""

_ON_COLUMNS = {"C01", "C03", "drift", "drift-released"}
_SEVERAL_RELEASES = "[Rename or drop a column over several releases](../how-to/change-a-column.md)"


def pages() -> dict[str, str]:
    """Return every page by the name of its file."""
    rules = {rule.id: rule for family in FAMILIES for rule in family.rules}
    each = {f"rules/{rule.id}.md": _page(rule, family, rules) for family in FAMILIES for rule in family.rules}
    return {"gate.md": _index(), **each}


def _index() -> str:
    parts = ["# The gate's rules", *map(_wrapped, (_LEVELS, _NEEDS)), "## Old and new revisions", _wrapped(_SINCE)]
    parts += ["## Suppressing findings", _wrapped(_ALLOWING)]
    for family in FAMILIES:
        parts += [f"## {family.title}", _wrapped(family.evidence), "\n".join(_table(family))]
    return "\n\n".join(parts) + "\n"


def _table(family: Family) -> Iterator[str]:
    yield "| rule | level | finding |\n| --- | --- | --- |"
    for rule in family.rules:
        yield f"| [{rule.id} {rule.name}](rules/{rule.id}.md) | {_level(rule)} | {rule.message} |"


def _level(rule: Rule) -> str:
    return "off" if rule.optional else rule.level.value


def _page(rule: Rule, family: Family, rules: dict[str, Rule]) -> str:
    level = "off by default, a note otherwise" if rule.optional else rule.level.value
    implies = ", ".join(each.value for each in rule.implies) or "no effect"
    facts = (
        f"**Level:** {level}",
        f"**[Certificate](../how-to/roll-back.md#the-certificate):** {implies}",
        f"**Evidence:** {family.evidence}",
    )
    parts = [f"# {rule.id}: {rule.name}", _wrapped(rule.message), "\n".join(_item(fact) for fact in facts)]
    if rule.advice:
        parts += ["## Remedy", _wrapped(rule.advice)]
    if rule.code and (rule.graph or not rule.bad):
        parts += ["## Remedy", _code(rule.code)]
    parts += _example(rule) if rule.bad else ()
    parts += ["## Step by step", _SEVERAL_RELEASES] if rule.id in _ON_COLUMNS else ()
    related = "\n".join(f"- [{each} {rules[each].name}]({each}.md)" for each in rule.related)
    parts += ["## Related rules", related] if related else []
    return "\n\n".join([*parts, "[All rules](../gate.md)"]) + "\n"


def _example(rule: Rule) -> Iterator[str]:
    """Yield the two sides of an example below each other, with the state of the project that they start from."""
    if rule.graph:
        yield from ("## Bad", _code(rule.bad, "text"), "## Good", _code(rule.good, "text"))
        return
    if rule.before != "pass":
        yield from ("## The revision before", _code(rule.before))
    yield from _given("The models:", rule.given.models)
    yield from _given("The models of the previous release:", rule.given.previous)
    yield from _given(
        "Statements recorded by the tests of the previous release:", "\n".join(rule.given.recorded), "sql"
    )
    yield "## Bad"
    yield from _given("The previous release starts with:", rule.given.bad_start, "shell")
    yield from _given("env.py, before `context.configure()`:", rule.given.bad_env)
    yield from _given("Arguments of `context.configure()`:", rule.given.bad_options)
    yield _code(rule.bad)
    yield "## Good"
    yield from _given("The models of the previous release:", rule.given.good_previous)
    yield from _given("Arguments of `context.configure()`:", rule.given.good_options)
    yield _code(rule.good)


def _given(title: str, text: str, language: str = "python") -> Iterator[str]:
    if text:
        yield from (title, _code(text, language))


def _item(text: str) -> str:
    return textwrap.fill(text, 98, initial_indent="- ", subsequent_indent="  ", **_WHOLE)


def _wrapped(text: str) -> str:
    """Wrap the paragraphs outside code fences at 100 columns."""
    parts = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else _filled(part) for part in parts)


def _filled(text: str) -> str:
    return "\n\n".join(textwrap.fill(part, 100, **_WHOLE) for part in text.split("\n\n"))


_WHOLE = {"break_long_words": False, "break_on_hyphens": False}


def _code(text: str, language: str = "python") -> str:
    return f"```{language}\n{text}\n```"
