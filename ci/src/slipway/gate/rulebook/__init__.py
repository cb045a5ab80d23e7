"""The gate's rules as data, importable without sqlalchemy and alembic. `gate.findings` applies them."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from slipway.gate.rulebook import advice, compatibility, graph, locks, rows, schema, transactions, waiting
from slipway.gate.rulebook.rule import Rule


@dataclass(frozen=True)
class Family:
    """Rules that use the same evidence."""

    title: str
    evidence: str
    rules: tuple[Rule, ...]


def _family(title: str, evidence: str, module: ModuleType, *starts: str) -> Family:
    """Return the family of a module's rules; with `starts`, of those whose ids begin so."""
    rules = {value.id: value for value in vars(module).values() if isinstance(value, Rule)}
    chosen = (rule for rule in rules.values() if rule.id.startswith(starts or ""))
    return Family(title, evidence, tuple(sorted(chosen, key=lambda rule: rule.id)))


LOCKS: Final = _family(
    "L: work under a lock",
    "The work of each statement: its locks from `pg_locks`, rewrites from `relfilenode`, scans from the statistics that Postgres counts in the transaction.",
    locks,
)
WAITING: Final = _family(
    "Q: locks that other sessions wait for",
    "The locks that a statement takes on existing tables and views, those that its transaction holds already, and the `lock_timeout` in force.",
    waiting,
)
TRANSACTIONS: Final = _family(
    "T: transactions",
    "The statements of each transaction and Postgres' errors, also after an interruption, and when two processes migrate at once.",
    transactions,
)
REVERSIBILITY: Final = _family(
    "R and U: upgrade and downgrade",
    "The database's catalog after each step: up, down, and up again.",
    schema,
    "R",
    "U",
)
COMPATIBILITY: Final = _family(
    "C: compatibility with the previous release",
    "The statements of the previous release, recorded by its tests or derived from its models, replayed after each new revision. Only statements that worked before the revision count.",
    compatibility,
)
ROWS: Final = _family("D: rows", "Tables filled with rows, before and after each step.", rows)
GRAPH: Final = _family(
    "G: the graph of revisions", "The revisions as alembic reads them, and their files at a git ref.", graph, "G"
)
ADVICE: Final = _family(
    "P and S: style",
    'The statements of a revision, and what they added to the catalog. Each rule is off until `[tool.slipway.migrations]` names it: `levels = {S01 = "warning"}`.',
    advice,
)
DRIFT: Final = _family(
    "Drift: migrations and models",
    "Two databases, one built by the migrations and one by the models, compared by their catalogs. A server default that only the migrations have counts if env.py sets `compare_server_default`, as for alembic: a running release may rely on it (C09).",
    schema,
    "drift",
)
COMMENTS: Final = _family(
    "A: comments that suppress findings", "The comments in the revisions' files, and the findings.", graph, "A"
)
FAMILIES: Final = (LOCKS, WAITING, TRANSACTIONS, REVERSIBILITY, COMPATIBILITY, ROWS, GRAPH, ADVICE, DRIFT, COMMENTS)


def all_rules() -> tuple[Rule, ...]:
    """Return every rule, family by family."""
    return tuple(rule for family in FAMILIES for rule in family.rules)


def rule_named(identity: str) -> Rule | None:
    """Return the rule with an id such as `L01`, or None."""
    return next((rule for rule in all_rules() if rule.id.lower() == identity.lower()), None)


def ids(rules: Iterable[Rule]) -> frozenset[str]:
    return frozenset(rule.id for rule in rules)


OPTIONAL: Final = ids(rule for rule in all_rules() if rule.optional)
# these rules are always errors, because revisions were not executed
UNPROVEN: Final = ids((schema.UNREACHED, graph.BROKEN, graph.DUPLICATE))
ALLOWABLE: Final = ids(all_rules()) - ids(COMMENTS.rules) - UNPROVEN  # a comment can suppress these
