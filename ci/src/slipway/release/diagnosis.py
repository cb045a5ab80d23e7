"""Why a release failed. A rule is data: what it looks for, the cause it names, what to do.

The first failure wins over the last line: the last line of a rollback is often false ("check your configured port number").
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from slipway.records.outcome import Diagnosis
from slipway.release.spec import ServiceSpec
from slipway.untrusted import one_line

_CONTEXT = 120  # characters


@dataclass(frozen=True)
class Evidence:
    """What the platform and the application have written, in order; `application` is None when no container ever started."""

    platform: tuple[str, ...]
    application: tuple[str, ...] | None


@dataclass(frozen=True)
class Rule:
    """`pattern` is looked for in each line of one of the logs; its groups, and fields of the spec, fill cause and remedy."""

    id: str
    log: str
    pattern: str
    cause: str
    remedy: str

    def look(self, evidence: Evidence) -> tuple[re.Match[str], str] | None:
        lines: Sequence[str] = evidence.platform if self.log == "platform" else evidence.application or ()
        return next(((match, line) for line in lines if (match := re.search(self.pattern, line))), None)


RULES = (
    Rule(
        "pull",
        "platform",
        r"Failed to pull your application image\. Reason: (?P<reason>.+)",
        "the platform could not pull the image: {reason}",
        "push the image by this digest, and let the access role read the repository",
    ),
    Rule(
        "secret",
        "platform",
        r"Failed to retrieve the secret (?P<arn>\S+?)\.?$",
        "the secret {arn} could not be read",
        "create it, and let the instance role read it",
    ),
    Rule(
        "missing-variable",
        "application",
        r"""(?:KeyError: '|environment variable ['"]?)(?P<name>[A-Z][A-Z0-9_]{2,})""",
        "the release reads the variable {name}, which {environment} does not set",
        "add {name} to variables or secrets of [tool.slipway.environments.{environment}]",
    ),
    Rule(
        "missing-module",
        "application",
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        "the release imports {module}, which is not installed",
        "add it to the dependencies and lock again",
    ),
    Rule(
        "import",
        "application",
        r"(?P<error>(?:ImportError|SyntaxError|IndentationError|NameError|Error loading ASGI app)\b.*)",
        "the application does not import: {error}",
        "start it once on your machine with the command in [tool.slipway]",
    ),
    Rule(
        "address-in-use",
        "application",
        r"(?:[Aa]ddress already in use|EADDRINUSE)",
        "the release listens on a port that is taken",
        "let it listen on the port in [tool.slipway], or on PORT, and on no other",
    ),
    Rule(
        "schema",
        "application",
        r"(?P<error>Undefined(?:Table|Column)\b.*)",
        "the release needs a schema that the database does not have: {error}",
        "run the release's migrations before its deployment",
    ),
    Rule(
        "database",
        "application",
        r"(?P<error>(?:connection to server|could not connect|could not translate host name|password authentication failed).*)",
        "the database cannot be reached: {error}",
        "check the database's address and secret, and the VPC connector",
    ),
    Rule(
        "health-path",
        "application",
        r'"GET (?P<path>{health_path})(?=[ ?"])[^"]*" (?P<code>[345]\d\d)|(?<!")GET (?P<path2>{health_path})(?=[ ?]).* (?P<code2>[345]\d\d)\b',
        "the health check {health_path} answers {code}",
        "make it answer 200, or correct health-path in [tool.slipway]",
    ),
    Rule(
        "exit",
        "platform",
        r"Container exit code: (?P<code>\d+)",
        "the container ended by itself with the exit code {code}",
        "its last line was: {last}",
    ),
    Rule(
        "not-listening",
        "platform",
        r"Health check failed on protocol",
        "the service runs, but does not answer the health check on port {port}",
        "let it listen on 0.0.0.0 and the port in [tool.slipway]",
    ),
)
NEVER_STARTED = Diagnosis(
    "never-started",
    "no container ever started: there is no application log",
    (),
    "check the image's architecture (linux/amd64), the VPC connector and the instance role; it is never the port",
)
NOTHING = Diagnosis(
    "unknown", "the logs name no cause that is known here", (), "read them: slipway shows the last lines"
)


def diagnose(evidence: Evidence, spec: ServiceSpec) -> Diagnosis:
    """The best rule that fits."""
    known = {"environment": spec.environment, "port": str(spec.port), "health_path": spec.health_path or ""}
    known["last"] = next((one_line(line) for line in reversed(evidence.application or ()) if line.strip()), "nothing")
    for rule in RULES:
        found = _with_path(rule, spec.health_path).look(evidence)
        if found:
            match, line = found
            words = known | _groups(match)
            return Diagnosis(
                rule.id, rule.cause.format_map(words), (_around(match, line),), rule.remedy.format_map(words)
            )
    if evidence.application is None:
        return NEVER_STARTED
    return Diagnosis(NOTHING.rule, NOTHING.cause, tuple(map(one_line, evidence.application[-3:])), NOTHING.remedy)


def _around(match: re.Match[str], line: str) -> str:
    """The part of a long line in which the match stands."""
    start = max(0, match.start() - _CONTEXT)
    part = one_line(line[start : match.end() + _CONTEXT], 4 * _CONTEXT)
    return ("…" if start else "") + part + ("…" if match.end() + _CONTEXT < len(line) else "")


def _with_path(rule: Rule, health_path: str | None) -> Rule:
    """Who is asked over TCP has no health path, and nothing matches where one is looked for."""
    pattern = rule.pattern.replace("{health_path}", re.escape(health_path) if health_path else "(?!)")
    return Rule(rule.id, rule.log, pattern, rule.cause, rule.remedy)


def _groups(match: re.Match[str]) -> dict[str, str]:
    """Groups by name, untrusted; `code2` stands in for `code`."""
    return {name.rstrip("2"): one_line(value, 200) for name, value in match.groupdict().items() if value is not None}
