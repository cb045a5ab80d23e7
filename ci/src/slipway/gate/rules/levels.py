"""How much a rule weighs in this project: as its settings say, or else as the rule does itself."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from slipway.errors import BadInputError
from slipway.gate.rules import allowances
from slipway.gate.rules.every import ALLOWABLE, OPTIONAL
from slipway.records.proof import Finding, Level

OFF: Final = "off"
SETTING: Final = "[tool.slipway.migrations] levels"
_LEVELS = {level.value: level for level in Level} | {OFF: None}
_RULES = ALLOWABLE | {allowances.UNUSED.id, allowances.UNREADABLE.id}


def read(told: Iterable[str]) -> dict[str, Level | None]:
    """Levels by rule, None for one that is off, from texts like `Q01=error`; raises BadInputError."""
    levels = {}
    for text in told:
        rule, _, level = text.partition("=")
        if rule not in _RULES:
            near = get_close_matches(rule, sorted(_RULES), 1)
            raise BadInputError(
                f"{SETTING}: there is no rule {rule!r}", f"did you mean {near[0]!r}" if near else "see docs/gate.md"
            )
        if level not in _LEVELS:
            raise BadInputError(f"{SETTING}: {rule} cannot be {level!r}", f"allowed is one of {', '.join(_LEVELS)}")
        levels[rule] = _LEVELS[level]
    return levels


def is_asked_for(rule: str, levels: Mapping[str, Level | None]) -> bool:
    """Whether a rule counts in this project: one that is a matter of taste does when its settings name it."""
    return rule not in OPTIONAL or levels.get(rule) is not None


def weighed(finding: Finding, levels: Mapping[str, Level | None]) -> Finding:
    """The finding as heavy as the project wants it; one of a rule that is off stays in the proof and does not count."""
    level = levels.get(finding.rule, finding.level)
    if level is None:
        return replace(finding, suppressed=finding.suppressed or f"{finding.rule} is off in {SETTING}")
    return replace(finding, level=level)
