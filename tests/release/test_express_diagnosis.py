"""Why ECS takes a release back: what it reports of deployments, tasks and alarms, in the words that users quote."""

import re

import pytest

from slipway.release.diagnosis import DeploymentLogs, diagnose
from slipway.release.targets.ecs_express.evidence import FIRST, LAST, WORDS
from slipway.release.targets.ecs_express.spec import spec_of
from tests.release.desired import DIGEST
from tests.release.platforms import EXPRESS
from tests.release.test_diagnosis import labelled

SPEC = spec_of(EXPRESS, "staging", DIGEST)
BACK = "Service deployment rolled back because"
GROUP = "(target-group arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/ecs-gateway-tg-1/2)"
ALARM = f"{BACK} of the following alarm(s) in ALARM state: notes/RollbackAlarm."
BREAKER = f"{BACK} the circuit breaker threshold was exceeded."
UNREADABLE = (
    "task 1 stopped: ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: "
    "failed to fetch secret arn:aws:secretsmanager:eu-west-1:123456789012:secret:url-1 from secrets manager"
)
STARTED = "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)"
CASES = [
    ("aborted", [f"{BACK} a user requested it."], [STARTED], "a person took this deployment back"),
    ("superseded", ["STOPPED", "Service deployment stopped because a newer deployment was started."], [STARTED], "a newer deployment came"),
    (
        "role",
        ["(service notes) failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::1:role/x' that was provided for this task."],
        [],
        "unable to assume the role 'arn:aws:iam::1:role/x'",
    ),
    (
        "pull",
        ["task 1 stopped: CannotPullContainerError: pull image manifest has been retried 1 time(s): not found", BREAKER],
        [],
        "could not pull the image: pull image manifest",
    ),
    (
        "secret",
        [UNREADABLE, BREAKER],
        [],
        "the secret arn:aws:secretsmanager:eu-west-1:123456789012:secret:url-1 could not be read",
    ),
    (
        "memory-limit",
        ["task 1 stopped: Essential container in task exited", "container Main: OutOfMemoryError: Container killed due to memory usage, exit code: 137"],
        [STARTED],
        "needs more than its 2048 MB",
    ),
    ("capacity", ["task 1 stopped: Capacity is unavailable at this time. Please try again later or in a different availability zone"], [], "no capacity"),
    ("addresses", ["(service notes) was unable to place a task. Reason: RESOURCE:ENI."], [], "a task got no address"),
    ("alarm-5xx", [ALARM], [STARTED, 'INFO: 10.0.0.1:1 - "POST /orders HTTP/1.1" 500 Internal Server Error'], "/orders answers 500"),
    ("alarm-4xx", [ALARM], [STARTED, 'INFO: 10.0.0.1:1 - "GET /wp-login.php HTTP/1.1" 404 Not Found'], "/wp-login.php answers 404"),
    ("alarm", [ALARM], [STARTED], "more than 1 % of the answers"),
    ("schema", [ALARM], [STARTED, "sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedColumn) column note.x does not exist"], "column note.x"),
    ("missing-variable", ["task 1 stopped: Essential container in task exited", "container Main: exit code: 1", BREAKER], ["KeyError: 'REDIS_URL'"], "REDIS_URL"),
    ("health-path", [f"task 1 stopped: Task failed ELB health checks in {GROUP}", BREAKER], ['INFO: 10.0.0.1:1 - "GET /healthz HTTP/1.1" 404 Not Found'], "answers 404"),
    ("health-code", ["(service notes) (port 80) is unhealthy due to (reason Health checks failed with these codes: [404]).", BREAKER], [STARTED], "/healthz answers 404"),
    ("loopback", [f"task 1 stopped: Task failed ELB health checks in {GROUP}", BREAKER], ["INFO:     Uvicorn running on http://127.0.0.1:8000"], "listens on 127.0.0.1"),
    ("exit", ["task 1 stopped: Essential container in task exited", "container Main: exit code: 3", BREAKER], [STARTED], "exit code 3"),
    ("unknown", [f"task 1 stopped: Task failed ELB health checks in {GROUP}", BREAKER], [], "the application had written nothing"),
    ("circuit-breaker", [BREAKER], [STARTED], "no task of the release stayed up"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "platform", "application", "cause"), CASES, ids=[case[0] for case in CASES])
def test_each_reason_of_ecs_is_explained(rule, platform, application, cause):
    found = diagnose(DeploymentLogs(tuple(platform), tuple(application) or None), SPEC, WORDS)
    assert (found.rule, cause in found.cause) == (rule, True), found
    assert "VPC connector" not in found.remedy


def as_ecs(line):
    """Return what ECS reports where App Runner has written a line; nothing for lines about the image and its architecture."""
    if code := re.search(r"exit code: (\d+)", line, re.IGNORECASE):
        return [f"container Main: exit code: {code[1]}", BREAKER]
    return (
        [f"task 1 stopped: Task failed ELB health checks in {GROUP}", BREAKER] if "Health check failed" in line else []
    )


def test_the_causes_of_labelled_failures_are_also_true_on_ecs(capsys):
    """An unknown cause is allowed; the circuit breaker alone is none."""
    played, named, wrong = 0, 0, []
    for name, truth, platform, application in labelled():
        lines = tuple(translated for line in platform for translated in as_ecs(line))
        if not lines:
            continue
        found = diagnose(DeploymentLogs(lines, application), SPEC, WORDS).rule
        is_named = found not in ("unknown", "circuit-breaker")
        played, named = played + 1, named + is_named
        if is_named and found not in truth:
            wrong.append(f"{name}: {found} instead of {truth}")
    with capsys.disabled():
        print(f"\n{played} failures on ECS: precision {1 - len(wrong) / named:.3f}")  # noqa: T201 -- the measure
    assert played > 130
    assert len(wrong) <= 0.02 * named, wrong


def test_every_rule_of_its_own_has_a_case():
    assert {rule.id for rule in (*FIRST, *LAST)} <= {rule for rule, *_ in CASES}
