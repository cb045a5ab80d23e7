"""The rules of a family, and the names of all that a comment can allow."""

from types import ModuleType
from typing import Final

from slipway.gate.rules import blocking, data, drift, graph, reversibility
from slipway.gate.rules.rule import Rule


def of(family: ModuleType) -> list[Rule]:
    """Every rule of a module, each once."""
    found = [value for value in vars(family).values() if isinstance(value, Rule)]
    causes = [
        cause.rule for cause in (*getattr(family, "CAUSES", ()), *filter(None, [getattr(family, "UNEXPLAINED", None)]))
    ]
    return list({rule.id: rule for rule in reversed([*found, *causes])}.values())[::-1]


ALLOWABLE: Final = frozenset(rule.id for family in (graph, reversibility, blocking, data, drift) for rule in of(family))
