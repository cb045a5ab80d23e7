"""The level of each rule in this project, from its settings."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from slipway.errors import BadInputError
from slipway.gate.rulebook import OPTIONAL, all_rules, ids
from slipway.records.proof import Finding, Level

OFF: Final = "off"
SETTING: Final = "[tool.slipway.migrations] levels"
_LEVELS: Final = {level.value: level for level in Level} | {OFF: None}


def read(settings: Iterable[str]) -> dict[str, Level | None]:
    """Return the levels by rule, None for off, from texts like `Q01=error`; raises BadInputError."""
    rules, levels = ids(all_rules()), {}
    for text in settings:
        rule, _, level = text.partition("=")
        if rule not in rules:
            near = get_close_matches(rule, sorted(rules), 1)
            raise BadInputError(
                f"{SETTING}: there is no rule {rule!r}", f"did you mean {near[0]!r}" if near else "see docs/gate.md"
            )
        if level not in _LEVELS:
            raise BadInputError(f"{SETTING}: {rule} cannot be {level!r}", f"use one of {', '.join(_LEVELS)}")
        levels[rule] = _LEVELS[level]
    return levels


def is_on(rule: str, levels: Mapping[str, Level | None]) -> bool:
    """Return whether a rule counts in this project; an optional one does when the settings name it."""
    return rule not in OPTIONAL or levels.get(rule) is not None


def apply(finding: Finding, levels: Mapping[str, Level | None]) -> Finding:
    """Return the finding at the project's level; that of a rule that is off is suppressed."""
    level = levels.get(finding.rule, finding.level)
    if level is None:
        return replace(finding, suppressed=finding.suppressed or f"{finding.rule} is off in {SETTING}")
    return replace(finding, level=level)
