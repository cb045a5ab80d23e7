import pytest

from tests.simulator.account import URI, asked
from tests.simulator.scripted import Script

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/token-aBcDeF"
BEGINNING = [
    "[AppRunner] Service status is set to OPERATION_IN_PROGRESS.",
    "[AppRunner] Deployment with ID : {id} started. Triggering event : {event}",
    f"[AppRunner] Pulling image {URI} from ECR repository.",
]
PULLED = [
    "[AppRunner] Successfully pulled your application image from ECR.",
    "[AppRunner] Provisioning instances and deploying image for publicly accessible service.",
]
ASKED = ["[AppRunner] Performing health check on protocol `HTTP` [Path: '/healthz'], [Port: '8000']."]
ROUTED = [
    "[AppRunner] Health check is successful. Routing traffic to application.",
    "[AppRunner] Successfully routed incoming traffic to application.",
    "[AppRunner] Service status is set to RUNNING.",
]
STOPPED = "[AppRunner] Your application stopped or failed to start. See logs for more information. "
NO_ANSWER = (
    "[AppRunner] Health check failed on protocol `HTTP`[Path: '/healthz'], [Port: '8000']. "
    "Check your configured port number."
)
FAILED = "[AppRunner] Deployment with ID : {id} failed. Failure reason : "


async def create(account, script=None, secrets=None):
    """Create a service; return its ARN and the id of its deployment in the logs."""
    settings = {"Port": "8000"} | ({"RuntimeEnvironmentSecrets": secrets} if secrets else {})
    digest = await account.image(script)
    answer = await account.ask("apprunner", "create_service", ServiceName="notes", **asked(digest, **settings))
    arn = answer["Service"]["ServiceArn"]
    await account.settled(arn)
    return arn, answer["OperationId"].replace("-", "")


def story(*lines: str, deployment: str, event: str = "SERVICE_CREATE") -> list[str]:
    return [line.format(id=deployment, event=event) for line in lines]


async def test_a_creation_is_logged_line_by_line(account):
    arn, deployment = await create(account)
    expected = story(*BEGINNING, *PULLED, *ASKED, *ROUTED, deployment=deployment)
    assert await account.lines(arn, "service", f"deployment/{deployment}") == expected
    assert await account.lines(arn, "service", "events") == expected


async def test_each_deployment_has_a_stream_of_its_own_named_without_dashes(account):
    arn, first = await create(account)
    operation = await account.update(arn, **asked(await account.image(), Port="8000"))
    second = operation["Id"].replace("-", "")
    assert len(operation["Id"]) == 36
    expected = story(*BEGINNING, *PULLED, *ASKED, *ROUTED, deployment=second, event="SERVICE_UPDATE")
    assert await account.lines(arn, "service", f"deployment/{second}") == expected
    streams = await account.ask(
        "logs", "describe_log_streams", logGroupName=f"/aws/apprunner/notes/{arn.rpartition('/')[2]}/service"
    )
    names = [stream["logStreamName"] for stream in streams["logStreams"]]
    assert names == sorted(["events", f"deployment/{first}", f"deployment/{second}"])


async def test_a_release_without_an_answer_ends_in_the_misleading_port_hint(account):
    arn, deployment = await create(account, Script(healthy=False))
    failed = [NO_ANSWER, FAILED + "Health check failed.", "[AppRunner] Service status is set to CREATE_FAILED."]
    assert await account.lines(arn, "service", "deployment") == story(
        *BEGINNING, *PULLED, *ASKED, *failed, deployment=deployment
    )


async def test_a_release_that_ends_by_itself_is_logged_with_its_exit_code(account):
    arn, deployment = await create(account, Script(exit_code=3))
    failed = [
        f"{STOPPED}Container exit code: 3",
        FAILED + "Container exited.",
        "[AppRunner] Service status is set to CREATE_FAILED.",
    ]
    assert await account.lines(arn, "service", "deployment") == story(
        *BEGINNING, *PULLED, *ASKED, *failed, deployment=deployment
    )


async def test_a_rolled_back_update_ends_in_a_status_that_looks_like_success(account):
    """Therefore the status alone proves nothing."""
    arn, _ = await create(account)
    operation = await account.update(arn, **asked(await account.image(Script(healthy=False)), Port="8000"))
    told = await account.lines(arn, "service", f"deployment/{operation['Id'].replace('-', '')}")
    assert told[-3:] == story(
        NO_ANSWER,
        FAILED + "Health check failed.",
        "[AppRunner] Service status is set to RUNNING.",
        deployment=operation["Id"].replace("-", ""),
    )


async def test_what_an_instance_prints_is_in_the_application_log_under_its_own_stream(account):
    arn, _ = await create(account, Script(lines=("listening", "ready")))
    await account.update(arn, **asked(await account.image(Script(lines=("the next",)))))
    assert await account.lines(arn, "application") == ["listening", "ready", "the next"]
    events = await account.ask(
        "logs", "filter_log_events", logGroupName=f"/aws/apprunner/notes/{arn.rpartition('/')[2]}/application"
    )
    one, same, other = (event["logStreamName"] for event in events["events"])
    assert one == same != other
    assert all(name.startswith("instance/") for name in (one, other))


@pytest.mark.parametrize("script", [Script(starts=False), Script()], ids=["not started", "no such secret"])
async def test_there_is_no_application_log_when_no_container_ever_started(account, script):
    arn, _ = await create(account, script, secrets=None if not script.starts else {"TOKEN": SECRET})
    assert (await account.described(arn))["Status"] == "CREATE_FAILED"
    assert await account.groups(arn) == ["service"]


async def test_a_secret_that_is_not_there_is_named(account):
    arn, _ = await create(account, secrets={"TOKEN": SECRET})
    assert f"[AppRunner] Failed to retrieve the secret {SECRET}." in await account.lines(arn, "service")
    assert account.backend.started == []


async def test_the_value_of_a_secret_is_in_no_answer_and_in_no_line_of_the_platform(account):
    account.cloud.secrets.put(SECRET, "hunter2")
    arn, _ = await create(account, Script(lines=("ready",)), secrets={"TOKEN": SECRET})
    await account.update(
        arn, **asked(await account.image(Script(exit_code=1)), RuntimeEnvironmentSecrets={"TOKEN": SECRET})
    )
    assert account.backend.started[0].variables["TOKEN"] == "hunter2"
    told = [
        await account.described(arn),
        await account.operations(arn),
        await account.ask("apprunner", "list_services"),
        await account.lines(arn, "service"),
        await account.lines(arn, "application"),
        account.backend.started,
    ]
    assert "hunter2" not in repr(told)
    assert SECRET in repr(told)
