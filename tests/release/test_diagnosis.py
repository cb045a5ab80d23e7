import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.records.outcome import Diagnosis
from slipway.release.aws.logs import Line
from slipway.release.diagnosis import UNKNOWN, DeploymentLogs, diagnose
from slipway.release.failures import CAUSES, ENDS, NEVER_RAN, SILENCES
from slipway.release.targets.app_runner.target import WORDS as PLATFORM
from slipway.release.targets.ecs_express.evidence import WORDS as EXPRESS
from tests.release.desired import spec

NO_ANSWER = "[AppRunner] Health check failed on protocol `HTTP`[Path: '/healthz'], [Port: '8000']. Check your configured port number."
EXITED = (
    "[AppRunner] Your application stopped or failed to start. See logs for more information. Container exit code: 1"
)
STARTED = ("INFO:     Started server process [1]", "INFO:     Waiting for application startup.")

# Words that no library of the recorded logs says in this way.
WORDS = [
    ("missing-variable", EXITED, "environment variable REDIS_URL is not set", "REDIS_URL, which it does not get"),
    ("missing-variable", EXITED, "missing environment variable 'REDIS_URL'", "REDIS_URL"),
    ("missing-variable", EXITED, "KeyError: 'DATABASE_URL'", "DATABASE_URL"),
    ("missing-module", EXITED, "ModuleNotFoundError: No module named 'redis.asyncio'", "redis.asyncio"),
    (
        "missing-program",
        EXITED,
        "litestar_vite.ViteExecutableNotFoundError: Executable 'bun' not found.",
        "program bun",
    ),
    ("address-in-use", EXITED, "Error: listen EADDRINUSE", "a port that is taken"),
    ("database-full", EXITED, "FATAL: too many connections", "too many connections"),
    (
        "unreachable",
        EXITED,
        "redis.exceptions.ConnectionError: Error 111 connecting to 10.0.0.1:6379.",
        "10.0.0.1:6379",
    ),
    ("unreachable", EXITED, "ConnectionRefusedError: [Errno 111] Connection refused", "refused"),  # of uvloop
    ("schema", NO_ANSWER, "(psycopg.errors.UndefinedColumn) column note.title does not exist", "note.title"),
    ("health-path", NO_ANSWER, '10.0.0.1 - - [01/Jan/2026] "GET /healthz?deep=1 HTTP/1.1" 500 12', "answers 500"),
    ("health-path", NO_ANSWER, "[info] GET /healthz took 3 ms: 404 not found", "answers 404"),
    ("health-path", NO_ANSWER, '"GET /healthz" 503', "answers 503"),
]


@dataclass(frozen=True)
class Recorded:
    """A recorded log: the head of the file has its source and the expected diagnosis."""

    folder: str
    name: str
    source: str
    told: Mapping[str, tuple[str, ...]]
    evidence: DeploymentLogs

    @classmethod
    def read(cls, file: Path) -> "Recorded":
        head, _, logs = file.read_text(encoding="utf-8").partition("--- platform\n")
        platform, started, application = logs.partition("--- application\n")
        told: dict[str, tuple[str, ...]] = {}
        for line in head.splitlines():
            key, _, value = line.partition(": ")
            told[key] = (*told.get(key, ()), value)
        evidence = DeploymentLogs(tuple(platform.splitlines()), tuple(application.splitlines()) if started else None)
        return cls(file.parent.name, file.stem, told.pop("source")[0], told, evidence)


FILES = sorted((Path(__file__).parent / "logs").rglob("*.log"))
HEALTHY = [Recorded.read(file) for file in FILES if file.parent.name == "healthy"]
QUIET = [healthy for healthy in HEALTHY if healthy.name != "a-failed-request"]  # that has a traceback
FAILED = [Recorded.read(file) for file in FILES if file.parent.name != "healthy"]
SOURCES = ("recorded with ", "a field report", "the container runtime's words", "the simulator's words")
each = pytest.mark.parametrize("recorded", FAILED, ids=[f"{failed.folder}/{failed.name}" for failed in FAILED])


def diagnosed(platform: str, application: tuple[str, ...] | None, **changes) -> Diagnosis:
    return diagnose(DeploymentLogs((platform,), application), spec(**changes), PLATFORM)


def test_every_rule_has_a_recorded_log_and_every_log_a_rule():
    rules = (*NEVER_RAN, *CAUSES, *ENDS, *SILENCES)
    known = {rule.id for rule in rules} | {UNKNOWN}
    assert {recorded.folder for recorded in FAILED} == known
    assert len({rule.id for rule in rules}) == len(rules)


def test_every_log_says_where_it_is_from():
    assert [recorded.source for recorded in (*FAILED, *HEALTHY) if not recorded.source.startswith(SOURCES)] == []


@each
def test_each_recorded_log_is_explained_by_exactly_its_rule(recorded):
    found = diagnose(recorded.evidence, spec(), PLATFORM)
    assert found.rule == recorded.folder
    lines = found.lines
    if found.rule in ("error", "exit", UNKNOWN):  # the end of the log is in them
        lines = tuple(dict.fromkeys(line for line in lines if line in recorded.told.get("line", ())))
    told = {"cause": (found.cause,), "line": lines, "remedy": (found.remedy,)}
    assert {key: value for key, value in told.items() if value} == recorded.told


@each
def test_a_kept_diagnosis_has_no_words_of_the_application_besides_names_and_numbers(recorded):
    found = diagnose(recorded.evidence, spec(), PLATFORM)
    kept = found.kept
    assert (kept.rule, kept.lines, kept.quotes) == (found.rule, (), ())
    written = {line.strip() for line in (*(recorded.evidence.application or ()), "") if len(line.strip()) > 20}
    assert not [line for line in written if line in kept.cause + kept.remedy]


@each
def test_the_lines_of_a_healthy_start_before_a_failure_change_no_cause(recorded):
    """Servers say that they start, and answer for a while; a failure of theirs comes below."""
    before = tuple(line for healthy in QUIET for line in healthy.evidence.application)
    evidence = recorded.evidence
    if evidence.application is None or recorded.folder in (
        "loopback",
        "other-port",
    ):  # the healthy one listens where it should
        return
    mixed = before + evidence.application
    assert diagnose(DeploymentLogs(evidence.platform, mixed), spec(), PLATFORM).rule == recorded.folder


@pytest.mark.parametrize("healthy", HEALTHY, ids=[healthy.name for healthy in HEALTHY])
def test_a_healthy_log_names_no_cause(healthy):
    assert diagnose(healthy.evidence, spec(), PLATFORM).rule == "unknown"
    assert diagnose(DeploymentLogs((NO_ANSWER,), healthy.evidence.application), spec(), PLATFORM).rule == UNKNOWN


@pytest.mark.parametrize("healthy", QUIET, ids=[healthy.name for healthy in QUIET])
def test_a_healthy_log_before_an_end_is_no_cause_of_it(healthy):
    assert diagnose(DeploymentLogs((EXITED,), healthy.evidence.application), spec(), PLATFORM).rule == "exit"


@pytest.mark.parametrize(("rule", "platform", "line", "cause"), WORDS, ids=[case[2] for case in WORDS])
def test_variants_of_a_failures_words_are_known(rule, platform, line, cause):
    found = diagnosed(platform, (*STARTED, line))
    assert found.rule == rule
    assert cause in found.cause
    assert found.lines == (line,)


@pytest.mark.parametrize(
    "line",
    [
        "using environment variable DATABASE_URL",
        "INFO: GET /notes?title=Address 404",
        "note 7 has no module",
        "the exit code was 137",
        "INFO: relation of notes to tags",
        "waiting for a connection to server 2",
        "ERROR:    Exception in ASGI application",
    ],
)
def test_ordinary_lines_are_not_a_cause(line):
    assert diagnosed(EXITED, (line,)).rule == "exit"
    assert diagnosed(NO_ANSWER, (line,)).rule == UNKNOWN


def test_the_first_of_two_causes_wins_in_any_order_of_the_rules():
    refused, missing = 'connection to server at "db", port 5432 failed: Connection refused', "KeyError: 'SIGNING_KEY'"
    assert diagnosed(EXITED, (refused, missing)).rule == "unreachable"
    assert diagnosed(EXITED, (missing, refused)).rule == "missing-variable"


def test_without_an_application_log_it_may_be_the_port_or_the_container():
    found = diagnosed(NO_ANSWER, None)
    assert found.rule == UNKNOWN
    assert all(word in found.remedy for word in ("port 8000", "linux/amd64", "VPC connector"))
    assert diagnosed(EXITED, None).rule == "exit"


def labelled():
    """Return the name, the true rules, and the platform's and the application's lines of each labelled failure."""
    document = tomllib.loads((Path(__file__).parent / "labelled.toml").read_text(encoding="utf-8"))
    cases = [
        (case["name"], case["truth"], tuple(document["lines"][key] for key in case["platform"]),
         tuple(case["application"].strip("\n").split("\n")) if "application" in case else None)
        for case in document["case"]
    ]  # fmt: skip
    return cases + [(each.name, [each.folder], each.evidence.platform, each.evidence.application) for each in FAILED]


def test_the_causes_named_for_labelled_failures_are_true(capsys):
    """An unknown cause is allowed, a wrong one is not: an operator would repair the wrong thing."""
    cases = labelled()
    named, knowable, wrong = 0, 0, []
    for name, truth, platform, application in cases:
        found = diagnose(DeploymentLogs(platform, application), spec(), PLATFORM).rule
        named, knowable = named + (found != UNKNOWN), knowable + (UNKNOWN not in truth)
        if found != UNKNOWN and found not in truth:
            wrong.append(f"{name}: {found} instead of {truth}")
    precision, recall = 1 - len(wrong) / named, (named - len(wrong)) / knowable
    with capsys.disabled():
        print(f"\n{len(cases)} failures: precision {precision:.3f}, recall {recall:.3f}")  # noqa: T201 -- the measure
    assert precision >= 0.98, wrong
    assert recall >= 0.9


@pytest.mark.parametrize("given", [{"variables": {"TOKEN": "x"}}, {"secrets": {"TOKEN": "arn:secret"}}])
def test_a_variable_that_the_settings_have_was_lost_by_the_release(given):
    found = diagnosed(EXITED, ("environment variable TOKEN is not set",), **given)
    assert found.remedy == "the settings set TOKEN, and the failed release was deployed without it: deploy it again"


def test_values_of_variables_and_passwords_in_urls_are_not_shown():
    line = "ValueError: cannot use 'canary-variable' with postgresql://notes:canary/password@db/notes"
    found = diagnosed(
        EXITED, ("Traceback (most recent call last):", '  File "x"', line), variables={"MODE": "canary-variable"}
    )
    assert found.rule == "error"
    assert "canary" not in str(found)
    assert "(the value of MODE)" in found.cause
    assert "canary" not in str(diagnosed("failed", (line,), variables={"MODE": "canary-variable"}))
    assert "canary" not in str(diagnosed(EXITED, (line,), variables={"MODE": "canary-variable"}))


def test_the_misleading_last_line_loses_against_the_first_failure():
    platform = (EXITED, NO_ANSWER, "[AppRunner] Service status is set to RUNNING.")
    found = diagnose(DeploymentLogs(platform, ("KeyError: 'DATABASE_URL'", "INFO: Shutting down")), spec(), PLATFORM)
    assert found.rule == "missing-variable"
    assert "port" not in found.remedy


UNHEALTHY = "task 1 stopped: Task failed ELB health checks in (target-group arn:aws:x)"
LOOPBACK = "INFO:     Uvicorn running on http://127.0.0.1:8000"
STOPPED = "container Main: exit code: 143"
ALARM = "Service deployment rolled back because of the following alarm(s) in ALARM state: notes/RollbackAlarm."
HEALTHY_START = ((0, "a", STARTED[1]), (1, "a", "INFO:     Application startup complete."))
# The platform's lines and the application's, as (second, stream, text), and the rule: what comes after the failure proves nothing.
TIMED = {
    "a server that listens too late": (PLATFORM, [(9, "", NO_ANSWER)], [(1, "a", STARTED[1]), (10, "a", LOOPBACK)], "slow-start"),
    "the same on Express Mode": (EXPRESS, [(9, "", UNHEALTHY)], [(1, "a", STARTED[1]), (10, "a", LOOPBACK)], "slow-start"),
    "a server that listens in time": (PLATFORM, [(9, "", NO_ANSWER)], [(1, "a", LOOPBACK)], "loopback"),
    "a container that is stopped": (PLATFORM, [(9, "", NO_ANSWER), (12, "", EXITED.replace(": 1", ": 137"))], [], UNKNOWN),
    "the errors of a stop": (PLATFORM, [(9, "", NO_ANSWER), (12, "", EXITED)], [*HEALTHY_START, (11, "a", "ConnectionError: connection to server at db failed: Connection refused")], UNKNOWN),
    "an instance of the release before": (PLATFORM, [(9, "", EXITED)], [(1, "a", "one"), (20, "b", "KeyError: 'OTHER'")], "exit"),
    "a log agent whose clock is late": (PLATFORM, [(9, "", EXITED)], [(1, "a", "one"), (10, "a", "KeyError: 'URL'")], "missing-variable"),
    "an answer after the alarm": (EXPRESS, [(9, "", ALARM)], [*HEALTHY_START, (10, "a", '"GET /x HTTP/1.1" 502')], "alarm"),
    "an answer before the alarm": (EXPRESS, [(9, "", ALARM)], [*HEALTHY_START, (8, "a", '"GET /x HTTP/1.1" 502')], "alarm-5xx"),
    "a stop after the alarm": (EXPRESS, [(9, "", ALARM), (12, "", STOPPED)], [], "alarm"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "platform", "application", "rule"), TIMED.values(), ids=TIMED)
def test_only_what_came_before_the_failure_is_evidence(words, platform, application, rule):
    began = datetime(2026, 11, 29, tzinfo=UTC)
    timed = [
        [
            Line(message=text, stream=stream, id="", at=began + timedelta(seconds=second))
            for second, stream, text in lines
        ]
        for lines in (platform, application)
    ]
    assert diagnose(DeploymentLogs.until_failure(*timed, words), spec(), words).rule == rule


_UNRESOLVED = "socket.gaierror: [Errno -2] Name or service not known"
_REFUSED = "ConnectionRefusedError: [Errno 111] Connection refused"
_POOL = "HTTPConnectionPool(host='meilisearch', port=7700): Max retries exceeded with url: /indexes (Caused by …)"


@pytest.mark.parametrize(
    ("innermost", "outer", "rule", "address"),
    [
        (_UNRESOLVED, f"requests.exceptions.ConnectionError: {_POOL}", "unknown-host", "meilisearch', port=7700"),
        (_REFUSED, f"urllib3.exceptions.MaxRetryError: {_POOL}", "unreachable", "meilisearch', port=7700"),
        (
            _UNRESOLVED,
            "redis.exceptions.ConnectionError: Error -2 connecting to redis:6379. Name or service not known.",
            "unknown-host",
            "connecting to redis:6379",
        ),
        (
            _REFUSED,
            "aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host search:9200 ssl:default [None]",
            "unreachable",
            "search:9200",
        ),
    ],
)
def test_the_address_of_a_server_is_taken_from_the_exception_of_a_chain_that_names_it(innermost, outer, rule, address):
    chain = (
        "Traceback (most recent call last):",
        '  File "/app/search.py", line 3, in <module>',
        innermost,
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "Traceback (most recent call last):",
        '  File "/app/main.py", line 7, in <module>',
        outer,
    )
    found = diagnosed(EXITED, chain)
    assert (found.rule, address in found.cause) == (rule, True)
    assert len(found.lines) == 1


def test_only_models_of_settings_are_about_variables():
    def logged(frame, model):
        return (
            "Traceback (most recent call last):",
            f'  File "/app/lib/{frame}", line 253, in __init__',
            f"pydantic_core._pydantic_core.ValidationError: 1 validation error for {model}",
            "enqueuedAt",
            "  Input should be a valid datetime, input is too short [type=datetime_from_date_parsing, input_value=…]",
        )

    assert diagnosed(EXITED, logged("pydantic/main.py", "TaskInfo")).rule == "error"
    assert diagnosed(EXITED, logged("pydantic/main.py", "AppConfig")).rule == "settings"
    assert diagnosed(EXITED, logged("pydantic_settings/main.py", "Deployment")).rule == "settings"


def test_the_first_of_two_failures_of_a_kind_is_the_cause():
    found = diagnosed(EXITED, ("KeyError: 'FIRST'", "KeyError: 'SECOND'"))
    assert "FIRST" in found.cause
    assert found.lines == ("KeyError: 'FIRST'",)


def test_a_reason_of_the_platform_is_the_cause_without_any_other():
    found = diagnosed("[AppRunner] Deployment with ID : 00 failed. Failure reason : Quota exceeded.", None)
    assert (found.rule, found.cause) == ("platform", "the platform gives this reason: Quota exceeded.")


def test_a_failure_without_a_known_cause_is_reported_with_the_last_thirty_lines():
    written = tuple(f"line {number}" for number in range(40))
    found = diagnosed("[AppRunner] Deployment failed.", written)
    assert (found.rule, found.lines) == ("unknown", written[10:])
    assert diagnosed(EXITED, written).lines == (EXITED, *written[10:])
    stopped = "Service deployment rolled back because the circuit breaker threshold was exceeded."
    assert diagnose(DeploymentLogs((stopped,), written), spec(), EXPRESS).lines == (stopped, *written[10:])
    error = "ValueError: the address postgresql://me:hunter2@db/notes is wrong"
    shown = diagnosed(EXITED, (*written, "Traceback (most recent call last):", " x", error, "Exiting.")).lines
    assert shown[0] == shown[-2] == error.replace("hunter2", "…")
    assert len(shown) == 31


def test_a_warning_that_rich_prints_with_a_traceback_is_no_cause_and_other_logs_stay_as_they_are():
    warning = (
        "[10:00:00] WARNING  no cache            cache.py:7",
        "                    ConnectionRefusedError: [Errno 111]   ",
    )
    assert diagnosed(EXITED, (*warning, "                    Connection refused", "bye")).rule == "exit"
    plain = ("INFO     ready", "  indented", "ERROR    gone", "end")
    assert diagnosed(EXITED, plain).lines[1:] == ("INFO ready", "indented", "ERROR gone", "end")


def test_control_characters_in_lines_are_removed():
    line = "\x1b[31mModuleNotFoundError: No module named '\x1b]0;owned\x07\x1b[2Jre\u202edis'\x00\r"
    found = diagnosed(EXITED, (line,))
    assert found.rule == "missing-module"
    assert found.lines == ("ModuleNotFoundError: No module named 'redis'",)
    assert "imports redis," in found.cause
    assert diagnosed("failed", ("\x1b[1mbold\x1b[0m\nnext\u2028",)).lines == ("bold", "next")


def test_a_long_line_is_cut_to_the_part_around_the_cause():
    found = diagnosed(EXITED, ("a" * 5000 + " KeyError: 'DATABASE_URL' " + "z" * 5000,))
    (line,) = found.lines
    assert "KeyError: 'DATABASE_URL'" in line
    assert line.startswith("…a")
    assert line.endswith("z…")
    assert len(line) < 500


def test_a_log_line_is_not_a_format_string():
    found = diagnosed(EXITED, ("ModuleNotFoundError: No module named '{environment.__class__} {0} {nothing}'",))
    assert "{environment.__class__} {0} {nothing}" in found.cause


def test_a_healthy_answer_is_no_cause():
    """The live release still answers while its successor fails."""
    healthy = 'INFO:     10.0.0.1:4 - "GET /healthz HTTP/1.1" 200 OK'
    assert diagnosed(NO_ANSWER, (healthy,)).rule == UNKNOWN
    counted = '"GET /healthz HTTP/1.1" 200 512 "-" "App Runner"'
    assert diagnosed(NO_ANSWER, (counted,)).rule == UNKNOWN
    assert "answers 503" in diagnosed(NO_ANSWER, (healthy, healthy.replace("200 OK", "503"))).cause


@pytest.mark.parametrize(
    "line", ['"GET /healthzzz HTTP/1.1" 404', '"GET /other/healthz HTTP/1.1" 404', "GET /healthzzz 404"]
)
def test_another_path_is_not_the_health_path(line):
    assert diagnosed(NO_ANSWER, (line,)).rule == UNKNOWN


@pytest.mark.parametrize("path", ["/health.z", "/health(z", "/[", "/a+b", "/{x}"])
def test_a_health_path_is_not_a_pattern(path):
    line = f'"GET {path} HTTP/1.1" 503'
    no_answer = NO_ANSWER.replace("/healthz", path)
    assert diagnosed(no_answer, (line,)).rule == "health-path"
    assert f"health check {path} answers 503" in diagnosed(no_answer, (line,)).cause
    assert diagnosed(no_answer, ('"GET /healthAz HTTP/1.1" 503',)).rule == UNKNOWN


def test_a_service_checked_over_tcp_has_no_health_path():
    lines = ('"GET / HTTP/1.1" 404', '"GET /favicon.ico HTTP/1.1" 404')
    assert diagnosed(NO_ANSWER.replace("HTTP", "TCP"), lines, health_path=None).rule == UNKNOWN


words = st.sampled_from(
    ["KeyError: '", "GET /healthz ", '"', "503", "Container exit code: ", "{", "\x1b[", "FATAL ", "\n"]
)
lines = st.lists(st.lists(st.one_of(words, st.text()), max_size=5).map("".join), max_size=4).map(tuple)


@settings(max_examples=25)
@given(lines, st.one_of(st.none(), lines))
def test_any_logs_yield_a_diagnosis_that_is_safe_to_print(platform, application):
    found = diagnose(DeploymentLogs(platform, application), spec(), PLATFORM)
    shown = "".join((found.cause, found.remedy, *found.lines))
    assert found.cause
    assert found.remedy
    assert "\x1b" not in shown
    assert "\n" not in shown
