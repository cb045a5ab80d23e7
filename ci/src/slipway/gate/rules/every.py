"""The rules of a family, and the names of all that a comment can allow."""

from types import ModuleType
from typing import Final

from slipway.gate.rules import (
    advice,
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
from slipway.gate.rules.rule import Rule


def of(family: ModuleType) -> list[Rule]:
    """Every rule of a module, each once."""
    return list({value.id: value for value in vars(family).values() if isinstance(value, Rule)}.values())


FAMILIES: Final = (graph, reversibility, causes, blocking, waiting, transactions, compatibility, data, drift, advice)
ALLOWABLE: Final = frozenset(rule.id for family in FAMILIES for rule in of(family))
OPTIONAL: Final = frozenset(rule.id for family in FAMILIES for rule in of(family) if rule.optional)
