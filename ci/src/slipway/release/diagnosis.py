"""Why a release failed: the first rule that matches its logs, and the lines behind the cause.

An earlier failure is preferred to the last line. The last line of a rollback is often misleading ("check your
configured port number"), and of two exceptions the first caused the second. The rules are data in failures.py.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from slipway.database_url import LOGIN
from slipway.records.outcome import Diagnosis
from slipway.release.aws.logs import Line
from slipway.release.engine.plan import ServiceSpec
from slipway.release.failures import CAUSES, ENDS, NEVER_RAN, SILENCES, FailureRule, PlatformWords
from slipway.release.rich_log import unwrapped
from slipway.untrusted import one_line, printable, strings_in

_CONTEXT = 120  # characters around a match
_MOST_LINES = 3
_LAST_LINES = 30  # of a log in which no rule for its words matches
_NAMES = ("name", "module", "loopback", "code", "place", "other")  # groups of a rule that contain names or numbers
_TOKEN = re.compile(r"[A-Z0-9]{16,}")  # a missing key of a dictionary may be an AWS key
_SHORTEST_SECRET = 6  # characters of a variable's value; shorter values are words like `info`, which appear everywhere
# Forms in which libraries print values: a password in a URL, and the settings that pydantic validated.
_VALUES = (
    (re.compile(LOGIN), r"://\1:…@"),
    (re.compile(r"input_value=.*?(?=, input_type=|$)", re.MULTILINE), "input_value=…"),
)
_STARTED_UP = "Application startup complete."  # printed by starlette and uvicorn
_MINOR = re.compile(r"\b(?:WARN|WARNING|INFO|DEBUG|NOTICE)\b")
# in the line before a traceback; a line with INFO may be about anything
_WARNING = re.compile(r"\b(?:WARN|WARNING|DEBUG)\b")
_TRACEBACK_BEGINS = "Traceback (most recent call last)"
_TRACEBACK = re.compile(r"Traceback \(most recent call last\).*\n(?:[ \t].*\n|\n)*.*\Z")
_CHAINED = ("another exception occurred:", "the direct cause of the following exception:")
_LEVELS = ("level", "levelname", "severity", "log.level")
UNKNOWN: Final = "unknown"
_ENDED = ("error", "exit", "circuit-breaker")  # rules that do not know what the words of the log mean
_LISTEN: Final = "listens on 0.0.0.0 and the port {port}, and answers {check}"
# Diagnoses without a rule, by whether the application wrote anything and whether its health check failed.
UNNAMED: Final = {
    (False, True): (
        "the health check failed, and the application had written nothing: no container started, or it is silent",
        f"check that it {_LISTEN}; that the image is for {{platform}}; {{network}}; and the instance role",
    ),
    (False, False): (
        "the application wrote nothing, and the platform gives no reason",
        "check that the image is for {platform}, {network}, and the instance role; start it once on your machine",
    ),
    (True, True): ("the health check failed, and the logs do not say why", f"check that it {_LISTEN}"),
    (True, False): ("the logs name no known cause", "read them with `slipway logs`; the last lines are here"),
}


@dataclass(frozen=True)
class DeploymentLogs:
    """The lines of the platform and of the application, in order. `application` is None when there are none.

    A container that never started has no log. Neither has one that writes nothing.
    """

    platform: tuple[str, ...]
    application: tuple[str, ...] | None

    @classmethod
    def until_failure(cls, platform: Sequence[Line], application: Sequence[Line], words: PlatformWords) -> Self:
        """Return logs without the lines after the first failure that the platform reports, because these lines cannot have caused it.

        A release writes such lines when it starts too late, when it is stopped, or when it replaces the failed one. The
        last lines of a container that ended by itself may have a later time than its end, because the clocks of two log
        agents differ.
        """
        reports = tuple(filter(None, (words.exited, words.unhealthy, words.rolled_back)))
        failure = next((line for line in platform if any(report in line.message for report in reports)), None)
        if failure is None:
            return cls(_messages(platform), _messages(application) or None)
        until = [line for line in application if line.at <= failure.at]
        if words.exited in failure.message:
            begun = {line.stream for line in until}
            return cls(_messages(platform), _messages(line for line in application if line.stream in begun) or None)
        # When the platform stops a container because of its health check, the container has an exit code, too.
        reasons = [line for line in platform if line.at <= failure.at or words.exited not in line.message]
        return cls(_messages(reasons), _messages(until) or None)


@dataclass(frozen=True)
class RuleMatch:
    """A rule, and the place in its log that matches it."""

    rule: FailureRule
    match: re.Match[str]

    @property
    def span(self) -> tuple[int, int]:
        """The start and end of the group `error`; of the whole match when the rule has no such group."""
        named = (name for name, value in self.match.groupdict().items() if value and name.startswith("error"))
        return self.match.span(next(named, 0))

    @property
    def place(self) -> str:
        return f"{self.rule.log} log, line {self.match.string.count(chr(10), 0, self.match.start()) + 1}"

    @property
    def lines(self) -> tuple[str, ...]:
        start, end = self.span
        text = self.match.string
        begin = text.rfind("\n", 0, start) + 1
        lines = []
        for line in text[begin : text.find("\n", end) % (len(text) + 1)].split("\n"):
            if line.strip():
                lines.append(_around(line, start - begin, end - begin))
            begin += len(line) + 1
        return tuple(lines[:_MOST_LINES])


def _messages(lines: Iterable[Line]) -> tuple[str, ...]:
    return tuple(line.message for line in lines)


def diagnose(logs: DeploymentLogs, spec: ServiceSpec, words: PlatformWords) -> Diagnosis:
    """Return the cause that the best rule names, and the lines that show it."""
    platform, application = _text(logs.platform, spec), _text(logs.application or (), spec)
    spec = _as_checked(platform, spec, words)
    read = _Reading({"platform": platform, "application": application}, spec, words)
    match = (
        next(read.matches((*NEVER_RAN, *words.first)), None)
        or min(read.matches(CAUSES), key=lambda each: each.span[0], default=None)
        or next(read.matches((*ENDS, *words.last, *SILENCES)), None)
    )
    if match is None:
        cause, remedy = UNNAMED[bool(logs.application), words.unhealthy in platform]
        return Diagnosis(
            rule=UNKNOWN, cause=cause, lines=_end(application), remedy=remedy.format_map(_facts(spec, words))
        )
    rule, quoted = match.rule, _words(match, application)
    gaps = _facts(spec, words) | quoted
    if quoted.get("name") in {*spec.variables, *spec.secrets}:
        rule = replace(
            rule, remedy="the settings set {name}, and the failed release was deployed without it: deploy it again"
        )
    return Diagnosis(
        rule=rule.id,
        cause=rule.cause.format_map(gaps),
        lines=match.lines + (_end(application) if rule.id in _ENDED else ()),
        remedy=rule.remedy.format_map(gaps),
        place=match.place,
        quotes=tuple(text for name, text in quoted.items() if _may_be_secret(name, text, rule)),
    )


def _end(application: str) -> tuple[str, ...]:
    return tuple(one_line(line) for line in application.split("\n") if re.search(r"\w", line))[-_LAST_LINES:]


def _as_checked(platform: str, spec: ServiceSpec, words: PlatformWords) -> ServiceSpec:
    """Return the spec with the port and path that the platform really checks, according to its log.

    Another tool may have changed them.
    """
    match = re.search(words.checked, platform)
    if match is None:
        return spec
    return replace(spec, port=int(match["port"]), health_path=match["path"])


def _may_be_secret(name: str, text: str, rule: FailureRule) -> bool:
    """Return whether a text from the application's log may be a secret value.

    The platform's words, numbers and names are not.
    """
    is_harmless = name in _NAMES and re.fullmatch(r"[\w.]+", text) and not _TOKEN.fullmatch(text)
    return not is_harmless and (rule.log == "application" or name == "last")


@dataclass(frozen=True)
class _Reading:
    """Both logs as texts, in which the rules search."""

    texts: Mapping[str, str]
    spec: ServiceSpec
    words: PlatformWords

    def matches(self, rules: Iterable[FailureRule]) -> Iterator[RuleMatch]:
        for rule in rules:
            if rule.beside and not re.search(self._filled(rule.beside), self.texts["platform"]):
                continue
            text = self.texts[rule.log]
            if rule.absent and re.search(self._filled(rule.absent), text):
                continue
            found = (RuleMatch(rule, each) for each in re.finditer(self._filled(rule.pattern), text, re.MULTILINE))
            if match := next((each for each in found if rule.any_level or not _is_handled(text, each.span[0])), None):
                yield match

    def _filled(self, pattern: str) -> str:
        """Fill the words of platform and settings into a pattern.

        A service with a TCP check has no health path, so a pattern with the path matches nothing.
        """
        gaps = {
            "health_path": re.escape(self.spec.health_path) if self.spec.health_path else "(?!)",
            "port": str(self.spec.port),
            "unpulled": self.words.unpulled,
            "unreadable": self.words.unreadable,
            "exited": re.escape(self.words.exited),
            "unhealthy": re.escape(self.words.unhealthy),
            "failed": self.words.failed,
        }
        return re.sub(r"\{([a-z_]+)\}", lambda gap: gaps[gap[1]], pattern)


def _is_handled(text: str, start: int) -> bool:
    """Return whether the application handled an error that it printed: it continued to log, or completed its startup."""
    if _STARTED_UP in text[start:]:
        return True
    before = text[:start]
    block = _TRACEBACK.search(before, max(0, before.rfind(_TRACEBACK_BEGINS)))
    if block is None:
        return _MINOR.search(before.rpartition("\n")[2]) is not None
    if not text[start:].partition("\n")[2].strip():
        return False
    before = before[: block.start()].rstrip()
    if before.endswith(_CHAINED):
        return _is_handled(text, len(before.rpartition("\n")[0].rstrip()))
    return _WARNING.search(before.rpartition("\n")[2]) is not None


def _text(lines: Iterable[str], spec: ServiceSpec) -> str:
    """Join the lines of a log, without quoted code, terminal commands and values that may be secret.

    Lines in JSON are unfolded.
    """
    text = "\n".join(printable(unfolded(line)) for line in unwrapped(tuple(lines)))
    for name, value in sorted(spec.variables.items(), key=lambda item: -len(item[1])):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, f"(the value of {name})")
    return without_values(text)


def without_values(text: str) -> str:
    """Remove values that libraries print: passwords in URLs, and the values of settings."""
    for pattern, instead in _VALUES:
        text = pattern.sub(instead, text)
    return text


def unfolded(line: str) -> str:
    """Return the texts in a line of JSON, one per line. A traceback then has its original lines."""
    if not line.startswith("{"):
        return line
    try:
        values = json.loads(line)
        minor = next(
            (f"{level.upper()} " for key in _LEVELS if _WARNING.fullmatch((level := str(values.get(key))).upper())), ""
        )
        return "\n".join(minor + text for each in strings_in(values) for text in each.split("\n"))
    except (ValueError, RecursionError):
        return line


def _around(line: str, start: int, end: int) -> str:
    """Return a long line's part around the match."""
    first, last = max(0, start - _CONTEXT), max(0, min(end, len(line)) + _CONTEXT)
    part = one_line(line[first:last], 4 * _CONTEXT)
    return ("…" if first else "") + part + ("…" if last < len(line) else "")


def variables_of(environment: str) -> str:
    """Return the table of the settings for an environment's variables, or for those of a start without an environment."""
    table = f"[tool.slipway.environments.{environment}]"
    return f"variables or secrets of {table}" if environment else "variables of [tool.slipway.migrations]"


def _facts(spec: ServiceSpec, words: PlatformWords) -> dict[str, str]:
    """Return facts from the settings for the texts of cause and remedy."""
    table = f"[tool.slipway.environments.{spec.environment or 'NAME'}]"
    return {
        "environment": spec.environment or "the smoke test",
        "variables": variables_of(spec.environment),
        "table": table,
        "port": str(spec.port),
        "health_path": spec.health_path or "",
        "check": f"{spec.health_path} with 200" if spec.health_path else "a TCP connection",
        "memory": str(spec.memory),
        "platform": spec.platform,
        "network": words.network,
    }


def _words(match: RuleMatch, application: str) -> dict[str, str]:
    """Return the groups of a match by name, and the `last` line. All are untrusted texts. `code2` counts as `code`."""
    last = next((line for line in reversed(application.split("\n")) if line.strip()), "nothing")
    groups = match.match.groupdict().items()
    named = {name.rstrip("23456789"): one_line(value, 200) for name, value in groups if value is not None}
    return {"last": one_line(last)} | named
