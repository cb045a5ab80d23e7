"""Why a release failed. A rule is data: what it needs to see, the cause it names, what to do.

The first failure wins over the last line: the last line of a rollback is often false ("check your configured port number"), and of two
exceptions the first is why there is a second. diagnosis_rules.py has the rules.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.records.outcome import Diagnosis
from slipway.release.diagnosis.rules import CAUSES, ENDS, NEVER_RAN, SILENCES, Rule
from slipway.release.engine.spec import ServiceSpec
from slipway.untrusted import one_line, printable

_CONTEXT = 120  # characters
_MOST_LINES = 3
_SHORTEST_SECRET = 6  # of a variable's values: what is shorter is a word like `info`, and stands everywhere
# What libraries write of values: a password in a URL, and the settings that pydantic was given.
_VALUES = (
    (re.compile(r"(://[^/@:\s]*:)[^/@\s]+(?=@)"), r"\1…"),
    (re.compile(r"input_value=.*?(?=, input_type=|$)", re.MULTILINE), "input_value=…"),
)


@dataclass(frozen=True)
class Evidence:
    """What the platform and the application have written, in order; `application` is None when no container ever started."""

    platform: tuple[str, ...]
    application: tuple[str, ...] | None


@dataclass(frozen=True)
class Found:
    """A rule, and where in its log it has seen what it needs."""

    rule: Rule
    match: re.Match[str]

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that say so: those of the group `error` where there is one, of the whole match otherwise."""
        named = (name for name, value in self.match.groupdict().items() if value and name.startswith("error"))
        start, end = self.match.span(next(named, 0))
        text = self.match.string
        begin = text.rfind("\n", 0, start) + 1
        lines = []
        for line in text[begin : text.find("\n", end) % (len(text) + 1)].split("\n"):
            if line.strip():
                lines.append(_around(line, start - begin, end - begin))
            begin += len(line) + 1
        return tuple(lines[:_MOST_LINES])


NEVER_STARTED = Diagnosis(
    "never-started",
    "no container ever started: there is no application log of this deployment",
    (),
    "check the image's architecture (linux/amd64), the VPC connector and the instance role; it is never the port",
)
NOTHING = Diagnosis(
    "unknown", "the logs name no cause that is known here", (), "read them: slipway shows the last lines"
)


def diagnose(evidence: Evidence, spec: ServiceSpec) -> Diagnosis:
    """The best rule that fits."""
    texts = {"platform": _text(evidence.platform, spec), "application": _text(evidence.application or (), spec)}
    found = (
        _first(NEVER_RAN, texts, spec)
        or min(_all(CAUSES, texts, spec), key=_place, default=None)
        or _first(ENDS, texts, spec)
    )
    if found is None and evidence.application is None:
        return NEVER_STARTED
    found = found or _first(SILENCES, texts, spec)
    if found is None:
        last = texts["application"].rstrip().split("\n")[-_MOST_LINES:]
        return Diagnosis(NOTHING.rule, NOTHING.cause, tuple(map(one_line, last)), NOTHING.remedy)
    words = _words(spec, texts["application"]) | _groups(found.match)
    rule = found.rule
    return Diagnosis(rule.id, rule.cause.format_map(words), found.lines, rule.remedy.format_map(words))


def _first(rules: Iterable[Rule], texts: Mapping[str, str], spec: ServiceSpec) -> Found | None:
    return next(iter(_all(rules, texts, spec)), None)


def _all(rules: Iterable[Rule], texts: Mapping[str, str], spec: ServiceSpec) -> Iterable[Found]:
    for rule in rules:
        if rule.platform and not re.search(rule.platform, texts["platform"]):
            continue
        if match := re.search(_pattern(rule, spec), texts[rule.log], re.MULTILINE):
            yield Found(rule, match)


def _place(found: Found) -> int:
    return found.match.start()


def _pattern(rule: Rule, spec: ServiceSpec) -> str:
    """Who is asked over TCP has no health path, and nothing matches where one is looked for."""
    path = re.escape(spec.health_path) if spec.health_path else "(?!)"
    return rule.pattern.replace("{health_path}", path).replace("{port}", str(spec.port))


def _text(lines: Iterable[str], spec: ServiceSpec) -> str:
    """A log as one text without commands to a terminal, without values that may be secret; JSON as a person would read it."""
    text = "\n".join(printable(_unfolded(line)) for line in lines)
    for name, value in sorted(spec.variables.items(), key=lambda item: -len(item[1])):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, f"(the value of {name})")
    for pattern, instead in _VALUES:
        text = pattern.sub(instead, text)
    return text


def _unfolded(line: str) -> str:
    """The texts in a line of JSON, one below the other: a traceback in it has its lines again."""
    if not line.startswith("{"):
        return line
    try:
        return "\n".join(_strings(json.loads(line)))
    except (ValueError, RecursionError):
        return line


def _strings(value: Any) -> Iterable[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)


def _around(line: str, start: int, end: int) -> str:
    """The part of a long line in which the match stands."""
    first, last = max(0, start - _CONTEXT), max(0, min(end, len(line)) + _CONTEXT)
    part = one_line(line[first:last], 4 * _CONTEXT)
    return ("…" if first else "") + part + ("…" if last < len(line) else "")


def _words(spec: ServiceSpec, application: str) -> dict[str, str]:
    """What cause and remedy may name."""
    last = next((line for line in reversed(application.split("\n")) if line.strip()), "nothing")
    return {
        "environment": spec.environment,
        "port": str(spec.port),
        "health_path": spec.health_path or "",
        "memory": str(spec.memory),
        "last": one_line(last),
    }


def _groups(match: re.Match[str]) -> dict[str, str]:
    """Groups by name, untrusted; `code2` stands in for `code`."""
    given = match.groupdict()
    return {name.rstrip("23456789"): one_line(value, 200) for name, value in given.items() if value is not None}
