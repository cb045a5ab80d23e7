import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.records.outcome import Diagnosis
from slipway.release.diagnosis import NEVER_STARTED, RULES, Evidence, diagnose
from slipway.untrusted import one_line
from tests.release.desired import spec

NO_ANSWER = "[AppRunner] Health check failed on protocol `HTTP`[Path: '/healthz'], [Port: '8000']. Check your configured port number."
EXITED = (
    "[AppRunner] Your application stopped or failed to start. See logs for more information. Container exit code: 1"
)
TRACEBACK = ("Traceback (most recent call last):", '  File "/app/main.py", line 3, in <module>')
STARTED = ("INFO:     Started server process [1]", "INFO:     Waiting for application startup.")

# For each rule logs that it explains, and no earlier rule; with a part of the cause.
EXAMPLES = {
    "pull": [
        (
            "[AppRunner] Failed to pull your application image. Reason: Invalid Access Role in AuthenticationConfiguration.",
            None,
            "Invalid Access Role",
        ),
        ("[AppRunner] Failed to pull your application image. Reason: Image x was not found.", None, "was not found"),
    ],
    "secret": [
        ("[AppRunner] Failed to retrieve the secret arn:aws:secretsmanager:x:1:secret:url-a.", None, "secret:url-a "),
    ],
    "missing-variable": [
        (EXITED, (*TRACEBACK, "KeyError: 'DATABASE_URL'"), "DATABASE_URL, which staging"),
        (EXITED, ("environment variable REDIS_URL is not set",), "REDIS_URL"),
        (EXITED, ("missing environment variable 'REDIS_URL'",), "REDIS_URL"),
    ],
    "missing-module": [
        (EXITED, (*TRACEBACK, "ModuleNotFoundError: No module named 'redis.asyncio'"), "redis.asyncio"),
    ],
    "import": [
        (
            EXITED,
            (*TRACEBACK, "ImportError: cannot import name 'Router' from 'app.web'"),
            "cannot import name 'Router'",
        ),
        (EXITED, ("SyntaxError: invalid syntax",), "invalid syntax"),
        (EXITED, ('ERROR:    Error loading ASGI app. Could not import module "main".',), "Error loading ASGI app"),
        (EXITED, (*TRACEBACK, "NameError: name 'ap' is not defined"), "name 'ap'"),
    ],
    "address-in-use": [
        (EXITED, ("OSError: [Errno 98] Address already in use",), "a port that is taken"),
        (EXITED, ("[ERROR] Connection in use: ('0.0.0.0', 8000) EADDRINUSE",), "a port that is taken"),
    ],
    "schema": [
        (NO_ANSWER, (*STARTED, 'psycopg.errors.UndefinedTable: relation "tag" does not exist'), 'relation "tag"'),
        (NO_ANSWER, ("(psycopg.errors.UndefinedColumn) column note.title does not exist",), "note.title"),
    ],
    "database": [
        (EXITED, ('connection to server at "10.0.0.1", port 5432 failed: Connection timed out',), "10.0.0.1"),
        (EXITED, ('could not translate host name "db" to address',), '"db"'),
        (EXITED, ('FATAL:  password authentication failed for user "notes"',), 'user "notes"'),
    ],
    "health-path": [
        (
            NO_ANSWER,
            (*STARTED, 'INFO:     10.0.0.1:4 - "GET /healthz HTTP/1.1" 503 Service Unavailable'),
            "answers 503",
        ),
        (NO_ANSWER, ('10.0.0.1 - - [01/Jan/2026] "GET /healthz?deep=1 HTTP/1.1" 500 12',), "answers 500"),
        (NO_ANSWER, ("[info] GET /healthz took 3 ms: 404 not found",), "answers 404"),
        (NO_ANSWER, ('"GET /healthz" 503',), "answers 503"),
    ],
    "exit": [(EXITED, ("goodbye",), "exit code 1"), (EXITED.replace("1", "137"), (), "exit code 137")],
    "not-listening": [(NO_ANSWER, (*STARTED, "INFO:     Uvicorn running on http://127.0.0.1:8080"), "port 8000")],
}
CASES = [(rule, *example) for rule, examples in EXAMPLES.items() for example in examples]


def diagnosed(platform: str, application: tuple[str, ...] | None, **changes) -> Diagnosis:
    return diagnose(Evidence((platform,), application), spec(**changes))


def test_every_rule_has_an_example():
    assert list(EXAMPLES) == [rule.id for rule in RULES]


@pytest.mark.parametrize(("rule", "platform", "application", "cause"), CASES, ids=[case[0] for case in CASES])
def test_each_log_is_explained_by_its_rule(rule, platform, application, cause):
    found = diagnosed(platform, application)
    assert found.rule == rule
    assert cause in f"{found.cause} "
    assert found.remedy
    assert len(found.lines) == 1
    assert found.lines[0] in [one_line(line) for line in (platform, *(application or ()))]


def test_the_misleading_last_line_loses_against_the_first_failure():
    platform = (EXITED, NO_ANSWER, "[AppRunner] Service status is set to RUNNING.")
    found = diagnose(Evidence(platform, ("KeyError: 'DATABASE_URL'", "INFO: Shutting down")), spec())
    assert found.rule == "missing-variable"
    assert "port" not in found.remedy


def test_the_first_of_two_failures_of_a_kind_is_the_cause():
    found = diagnosed(EXITED, ("KeyError: 'FIRST'", "KeyError: 'SECOND'"))
    assert "FIRST" in found.cause
    assert found.lines == ("KeyError: 'FIRST'",)


def test_without_an_application_log_no_container_ever_started():
    found = diagnosed("[AppRunner] Deployment with ID : 00 failed. Failure reason : unknown", None)
    assert found == NEVER_STARTED
    assert "linux/amd64" in found.remedy
    assert "never the port" in found.remedy


def test_what_no_rule_knows_is_told_with_the_last_lines():
    found = diagnosed("[AppRunner] Deployment failed.", ("one", "two", "three", "four"))
    assert (found.rule, found.lines) == ("unknown", ("two", "three", "four"))


def test_control_characters_in_lines_are_removed():
    line = "\x1b[31mModuleNotFoundError: No module named '\x1b]0;owned\x07\x1b[2Jre\u202edis'\x00\r"
    found = diagnosed(EXITED, (line,))
    assert found.rule == "missing-module"
    assert found.lines == ("ModuleNotFoundError: No module named 'redis'",)
    assert "imports redis," in found.cause
    (shown,) = diagnosed("failed", ("\x1b[1mbold\x1b[0m\nnext\u2028",)).lines
    assert shown == "bold next"


def test_of_a_long_line_the_part_around_the_cause_is_shown():
    found = diagnosed(EXITED, ("a" * 5000 + " KeyError: 'DATABASE_URL' " + "z" * 5000,))
    (line,) = found.lines
    assert "KeyError: 'DATABASE_URL'" in line
    assert line.startswith("…a")
    assert line.endswith("z…")
    assert len(line) < 500


def test_what_stands_in_a_log_is_no_format():
    found = diagnosed(EXITED, ("ModuleNotFoundError: No module named '{environment.__class__} {0} {nothing}'",))
    assert "{environment.__class__} {0} {nothing}" in found.cause


def test_a_healthy_answer_is_no_cause():
    """The release that is live goes on answering while its successor fails."""
    healthy = 'INFO:     10.0.0.1:4 - "GET /healthz HTTP/1.1" 200 OK'
    assert diagnosed(NO_ANSWER, (healthy,)).rule == "not-listening"
    counted = '"GET /healthz HTTP/1.1" 200 512 "-" "App Runner"'
    assert diagnosed(NO_ANSWER, (counted,)).rule == "not-listening"
    assert "answers 503" in diagnosed(NO_ANSWER, (healthy, healthy.replace("200 OK", "503"))).cause


@pytest.mark.parametrize(
    "line", ['"GET /healthzzz HTTP/1.1" 404', '"GET /other/healthz HTTP/1.1" 404', "GET /healthzzz 404"]
)
def test_another_path_is_not_the_health_path(line):
    assert diagnosed(NO_ANSWER, (line,)).rule == "not-listening"


@pytest.mark.parametrize("path", ["/health.z", "/health(z", "/[", "/a+b", "/{x}"])
def test_a_health_path_is_no_pattern(path):
    line = f'"GET {path} HTTP/1.1" 503'
    assert diagnosed(NO_ANSWER, (line,), health_path=path).rule == "health-path"
    assert f"health check {path} answers 503" in diagnosed(NO_ANSWER, (line,), health_path=path).cause
    assert diagnosed(NO_ANSWER, ('"GET /healthAz HTTP/1.1" 503',), health_path=path).rule == "not-listening"


def test_who_is_asked_over_tcp_has_no_health_path():
    lines = ('"GET / HTTP/1.1" 404', '"GET /favicon.ico HTTP/1.1" 404')
    assert diagnosed(NO_ANSWER.replace("HTTP", "TCP"), lines, health_path=None).rule == "not-listening"


words = st.sampled_from(
    ["KeyError: '", "GET /healthz ", '"', "503", "Container exit code: ", "{", "\x1b[", "FATAL ", "\n"]
)
lines = st.lists(st.lists(st.one_of(words, st.text()), max_size=5).map("".join), max_size=4).map(tuple)


@given(lines, st.one_of(st.none(), lines))
def test_whatever_is_in_the_logs_there_is_an_answer_that_can_be_shown(platform, application):
    found = diagnose(Evidence(platform, application), spec())
    shown = "".join((found.cause, found.remedy, *found.lines))
    assert found.cause
    assert found.remedy
    assert "\x1b" not in shown
    assert "\n" not in shown
