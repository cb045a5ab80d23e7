"""Why a deployment was rolled back: the words of ECS, its rules, and the evidence that they need."""

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
    FailureRule("aborted", "platform", "a rollback that a person asked for", BY_A_PERSON,
        "a person took this deployment back",
        "ask the person for the reason; the same command deploys it again, also if it has only recorded this end now"),
    FailureRule("superseded", "platform", "the state STOPPED", r"^STOPPED$",
        "a newer deployment came, and ECS stopped this one; or a person stopped it and had it left as it was",
        "look at the newer one with `slipway status`"),
    FailureRule("role", "platform", "a role that ECS cannot assume, or that lacks an action",
                r"(?P<error>.*(?:unable to assume (?:the )?role|is not authorized to perform: ).*)",
        "ECS may not do what the release needs: {error}",
        "let ecs-tasks.amazonaws.com assume access-role and instance-role of {table}, ecs.amazonaws.com its infrastructure-role, with the actions in docs/permissions.md"),
    FailureRule("memory-limit", "platform", "`OutOfMemory`", r"OutOfMemory",
        "the container was killed, as it needs more than its {memory} MB of memory",
        "start fewer workers, or raise memory in {table}"),
    FailureRule("capacity", "platform", "`Capacity is unavailable`, or `insufficient capacity`",
                r"(?i:capacity is unavailable|insufficient capacity)",
        "Fargate had no capacity for another task in these zones",
        "deploy again in some minutes, or add subnets in other zones to {table}"),
    FailureRule("addresses", "platform", "words about free addresses or network interfaces",
                r"(?P<error>.*(?:free (?:IP )?addresses|RESOURCE:ENI).*)",
        "a task got no address: {error}",
        "add larger subnets to {table}; during a deployment twice as many tasks run"),
)  # fmt: skip
LAST = (
    FailureRule("alarm-5xx", "application", "a line of the access log with 5xx, and an alarm", _ACCESS.format("5"),
        "the load balancer's alarm went off: {path} answers {code}",
        "look at its traceback in `slipway logs`, and deploy a correction", r"(?i:\balarm)", any_level=True),
    FailureRule("alarm-4xx", "application", "a line of the access log with 4xx, and an alarm", _ACCESS.format("4"),
        "the load balancer's alarm went off: {path} answers {code}, and with little traffic one such answer is more than 1 %",
        "answer it otherwise, if clients of yours ask for it; if it was a scanner, deploy again", r"(?i:\balarm)", any_level=True),
    FailureRule("alarm", "platform", "an alarm, and no access log", r"(?i:\balarm\b)",
        "the load balancer's alarm went off: more than 1 % of the answers were 4xx or 5xx",
        "let the release write an access log; compare its answers with those of the live one"),
    FailureRule("circuit-breaker", "platform", "the circuit breaker, and no word about health checks",
        r"\A(?![\s\S]*health checks)[\s\S]*?^Service deployment rolled back because the circuit",
        "no task of the release stayed up, so ECS's circuit breaker ended the deployment; the logs do not say why",
        "start it once on your machine with the command in [tool.slipway]; `slipway logs` has what its tasks wrote"),
)  # fmt: skip
WORDS = PlatformWords(
    unpulled=r"CannotPullContainer(?:Error)?: (?P<reason>.+)",
    unreadable=r"unable to (?:pull secrets|retrieve secrets?)\b.*?(?P<arn>arn:aws[\w-]*:(?:secretsmanager|ssm):\S+?)[,.:]?(?:\s|$)",
    exited="exit code: ",
    network="the subnets and security groups",
    unhealthy="health checks",
    rolled_back="rolled back because",
    # The circuit breaker's count follows from failures, and is no reason for them.
    failed=r"^(?P<reason>Service deployment (?:rolled back|stopped) because (?!the circuit).*)",
    first=FIRST,
    last=LAST,
)


async def evidence_of(api: ExpressApi, operation: Operation, spec: ServiceSpec) -> Diagnosis:
    """Diagnose from what ECS reports of a deployment, and from the lines of its own tasks."""
    lines = await logs.of_operation(api.aws, operation)
    platform, application = (lines.get(source, ()) for source in (LogSource.PLATFORM, LogSource.APPLICATION))
    return diagnose(DeploymentLogs.until_failure(platform, application, WORDS), spec, WORDS)
