"""Why a deployment was rolled back: ECS's words, rules for them, and the evidence."""

from slipway.records.logs import LogSource
from slipway.records.outcome import Diagnosis
from slipway.release.diagnosis import DeploymentLogs, diagnose
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.target import Operation
from slipway.release.failures import FailureRule, PlatformWords
from slipway.release.targets.ecs_express import logs
from slipway.release.targets.ecs_express.api import ExpressApi
from slipway.release.targets.ecs_express.deployment import BY_A_PERSON

_ACCESS = r"\"[A-Z]+ (?P<path>/\S*) HTTP/[\d.]+\" (?P<code>{}\d\d)\b"
FIRST = (
    FailureRule(id="aborted", log="platform", words="a rollback that a person asked for", pattern=BY_A_PERSON,
        cause="a person took this deployment back",
        remedy="ask the person for the reason; the same command deploys it again, also if it has only recorded this end now"),
    FailureRule(id="superseded", log="platform", words="the state STOPPED", pattern=r"^STOPPED$",
        cause="a newer deployment came, and ECS stopped this one; or a person stopped it and had it left as it was",
        remedy="look at the newer one with `slipway status`"),
    FailureRule(id="role", log="platform", words="a role that ECS cannot assume, or that lacks an action",
                pattern=r"(?P<error>.*(?:unable to assume (?:the )?role|is not authorized to perform: ).*)",
        cause="ECS may not do what the release needs: {error}",
        remedy="let ecs-tasks.amazonaws.com assume access-role and instance-role of {table}, ecs.amazonaws.com its infrastructure-role, with the actions in docs/permissions.md"),
    FailureRule(id="memory-limit", log="platform", words="`OutOfMemory`", pattern=r"OutOfMemory",
        cause="the container was killed, as it needs more than its {memory} MB of memory",
        remedy="start fewer workers, or raise memory in {table}"),
    FailureRule(id="capacity", log="platform", words="`Capacity is unavailable`, or `insufficient capacity`",
                pattern=r"(?i:capacity is unavailable|insufficient capacity)",
        cause="Fargate had no capacity for another task in these zones",
        remedy="deploy again in some minutes, or add subnets in other zones to {table}"),
    FailureRule(id="addresses", log="platform", words="words about free addresses or network interfaces",
                pattern=r"(?P<error>.*(?:free (?:IP )?addresses|RESOURCE:ENI).*)",
        cause="a task got no address: {error}",
        remedy="add larger subnets to {table}; during a deployment twice as many tasks run"),
)  # fmt: skip
LAST = (
    FailureRule(id="alarm-5xx", log="application", words="a line of the access log with 5xx, and an alarm", pattern=_ACCESS.format("5"),
        cause="the load balancer's alarm went off: {path} answers {code}",
        remedy="look at its traceback in `slipway logs`, and deploy a correction", beside=r"(?i:\balarm)", any_level=True),
    FailureRule(id="alarm-4xx", log="application", words="a line of the access log with 4xx, and an alarm", pattern=_ACCESS.format("4"),
        cause="the load balancer's alarm went off: {path} answers {code}, and with little traffic one such answer is more than 1 %",
        remedy="answer it otherwise, if clients of yours ask for it; if it was a scanner, deploy again", beside=r"(?i:\balarm)", any_level=True),
    FailureRule(id="alarm", log="platform", words="an alarm, and no access log", pattern=r"(?i:\balarm\b)",
        cause="the load balancer's alarm went off: more than 1 % of the answers were 4xx or 5xx",
        remedy="let the release write an access log; compare its answers with those of the live one"),
    FailureRule(id="health-code", log="platform", words="`Health checks failed with these codes`",
                pattern=r"(?i:health checks failed with these codes): \[(?P<code>[345]\d\d)",
        cause="the health check {health_path} answers {code}",
        remedy="make it answer 200, or correct health-path in [tool.slipway]"),
    FailureRule(id="circuit-breaker", log="platform", words="the circuit breaker, and no word about health checks",
        pattern=r"\A(?![\s\S]*health checks)[\s\S]*?^Service deployment rolled back because the circuit",
        cause="no task of the release stayed up, so ECS's circuit breaker ended the deployment; the logs do not say why",
        remedy="start it once on your machine with the command in [tool.slipway]; `slipway logs` has what its tasks wrote"),
)  # fmt: skip
WORDS = PlatformWords(
    unpulled=r"CannotPullContainer(?:Error)?: (?P<reason>.+)",
    unreadable=r"unable to (?:pull secrets|retrieve secrets?)\b.*?(?P<arn>arn:aws[\w-]*:(?:secretsmanager|ssm):\S+?)[,.:]?(?:\s|$)",
    exited="exit code: ",
    network="the subnets and security groups",
    unhealthy="health checks",
    rolled_back="rolled back because",
    # The circuit breaker's count results from failures, so it is no cause.
    failed=r"^(?P<reason>Service deployment (?:rolled back|stopped) because (?!the circuit).*)",
    first=FIRST,
    last=LAST,
)


async def evidence_of(api: ExpressApi, operation: Operation, spec: ServiceSpec) -> Diagnosis:
    """Return the diagnosis from ECS's reports on a deployment and the lines of its own tasks."""
    lines = await logs.of_operation(api.aws, operation)
    platform, application = (lines.get(source, ()) for source in (LogSource.PLATFORM, LogSource.APPLICATION))
    return diagnose(DeploymentLogs.until_failure(platform, application, WORDS), spec, WORDS)
