"""Why a release failed: the first rule that its logs fit, and the lines behind the cause.

The first failure wins over the last line: the last line of a rollback is often wrong ("check your configured port number"), and of two
exceptions the first one caused the second. The rules are data: see failures.py.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.records.outcome import Diagnosis
from slipway.release.engine.plan import ServiceSpec
from slipway.release.failures import CAUSES, ENDS, NEVER_RAN, SILENCES, FailureRule, PlatformWords
from slipway.untrusted import one_line, printable

_CONTEXT = 120  # characters
_MOST_LINES = 3
_NAMES = ("name", "module", "loopback", "code", "place", "other")  # groups of names and numbers
_SHORTEST_SECRET = 6  # of a variable's value: a shorter one is a word like `info`, which appears everywhere
# How libraries write values: a password in a URL, and the settings that pydantic validated.
_VALUES = (
    (re.compile(r"(://[^/@:\s]*:)[^/@\s]+(?=@)"), r"\1…"),
    (re.compile(r"input_value=.*?(?=, input_type=|$)", re.MULTILINE), "input_value=…"),
)
# A line of code that rich quotes in a traceback: what is written there was not printed.
_QUOTED = re.compile(r"\s*│ +(?:❱ +)?\d+ │")
NEVER_STARTED = Diagnosis(
    "never-started",
    "no container ever started: there is no application log of this deployment",
    (),
    "check the image's architecture (linux/amd64), the VPC connector and the instance role; it is never the port",
)
NOTHING = Diagnosis("unknown", "the logs name no known cause", (), "read them: slipway shows the last lines")


@dataclass(frozen=True)
class DeploymentLogs:
    """The lines of the platform and of the application, in order; `application` is None when no container ever started."""

    platform: tuple[str, ...]
    application: tuple[str, ...] | None


@dataclass(frozen=True)
class RuleMatch:
    """A rule, and the place in its log that matches it."""

    rule: FailureRule
    match: re.Match[str]

    @property
    def place(self) -> str:
        return f"{self.rule.log} log, line {self.match.string.count(chr(10), 0, self.match.start()) + 1}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The matching lines: those of the group `error` where there is one, of the whole match otherwise."""
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


def diagnose(logs: DeploymentLogs, spec: ServiceSpec, words: PlatformWords) -> Diagnosis:
    """Return the cause that the best rule names, with the lines behind it."""
    application = _text(logs.application or (), spec)
    read = _Reading({"platform": _text(logs.platform, spec), "application": application}, spec, words)
    match = (
        next(read.matches((*NEVER_RAN, *words.first)), None)
        or min(read.matches(CAUSES), key=lambda each: each.match.start(), default=None)
        or next(read.matches((*ENDS, *words.last)), None)
    )
    if match is None and logs.application is None:
        return NEVER_STARTED
    match = match or next(read.matches(SILENCES), None)
    if match is None:
        last = application.rstrip().split("\n")[-_MOST_LINES:]
        return Diagnosis(NOTHING.rule, NOTHING.cause, tuple(map(one_line, last)), NOTHING.remedy)
    rule, quoted = match.rule, _words(match, application)
    gaps = _facts(spec) | quoted
    return Diagnosis(
        rule=rule.id,
        cause=rule.cause.format_map(gaps),
        lines=match.lines,
        remedy=rule.remedy.format_map(gaps),
        place=match.place,
        quotes=tuple(text for name, text in quoted.items() if _may_be_secret(name, text, rule)),
    )


def _may_be_secret(name: str, text: str, rule: FailureRule) -> bool:
    """Return whether words may be a value that the application printed: those of the platform, numbers and names are not."""
    is_harmless = name in _NAMES and re.fullmatch(r"[\w.]+", text)
    return not is_harmless and (rule.log == "application" or name == "last")


@dataclass(frozen=True)
class _Reading:
    """Both logs as texts, for the rules to look at."""

    texts: Mapping[str, str]
    spec: ServiceSpec
    words: PlatformWords

    def matches(self, rules: Iterable[FailureRule]) -> Iterator[RuleMatch]:
        for rule in rules:
            if rule.beside and not re.search(self._filled(rule.beside), self.texts["platform"]):
                continue
            if match := re.search(self._filled(rule.pattern), self.texts[rule.log], re.MULTILINE):
                yield RuleMatch(rule, match)

    def _filled(self, pattern: str) -> str:
        """Fill the words of platform and settings in. A service that is checked over TCP has no health path, so nothing matches it."""
        gaps = {
            "health_path": re.escape(self.spec.health_path) if self.spec.health_path else "(?!)",
            "port": str(self.spec.port),
            "unpulled": self.words.unpulled,
            "unreadable": self.words.unreadable,
            "exited": re.escape(self.words.exited),
            "unhealthy": re.escape(self.words.unhealthy),
        }
        return re.sub(r"\{([a-z_]+)\}", lambda gap: gaps[gap[1]], pattern)


def _text(lines: Iterable[str], spec: ServiceSpec) -> str:
    """Join a log to one text, without quoted code, terminal commands and values that may be secret; JSON lines are unfolded."""
    text = "\n".join(printable(_unfolded(line)) for line in lines if not _QUOTED.match(line))
    for name, value in sorted(spec.variables.items(), key=lambda item: -len(item[1])):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, f"(the value of {name})")
    return without_values(text)


def without_values(text: str) -> str:
    """Remove what libraries quote: passwords in URLs, and the values of settings."""
    for pattern, instead in _VALUES:
        text = pattern.sub(instead, text)
    return text


def _unfolded(line: str) -> str:
    """Return the texts in a line of JSON, one per line: a traceback in it has its lines again."""
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
    """Return the part of a long line around the match."""
    first, last = max(0, start - _CONTEXT), max(0, min(end, len(line)) + _CONTEXT)
    part = one_line(line[first:last], 4 * _CONTEXT)
    return ("…" if first else "") + part + ("…" if last < len(line) else "")


def _facts(spec: ServiceSpec) -> dict[str, str]:
    """Return the facts of the settings that cause and remedy may name."""
    table = f"[tool.slipway.environments.{spec.environment or 'NAME'}]"
    return {
        "environment": spec.environment or "the smoke test",
        "variables": f"variables or secrets of {table}"
        if spec.environment
        else "variables of [tool.slipway.migrations]",
        "table": table,
        "port": str(spec.port),
        "health_path": spec.health_path or "",
        "memory": str(spec.memory),
    }


def _words(match: RuleMatch, application: str) -> dict[str, str]:
    """Return the groups of a match by name, and the `last` line; the texts are untrusted. `code2` counts as `code`."""
    last = next((line for line in reversed(application.split("\n")) if line.strip()), "nothing")
    groups = match.match.groupdict().items()
    named = {name.rstrip("23456789"): one_line(value, 200) for name, value in groups if value is not None}
    return {"last": one_line(last)} | named
