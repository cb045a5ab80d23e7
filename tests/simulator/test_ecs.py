"""Tasks on the simulated Fargate: their start, their end, and the reasons."""

from datetime import timedelta

import pytest

from slipway.simulator.clock import VirtualClock
from tests.simulator.account import opened
from tests.simulator.scripted import Script
from tests.simulator.tasks import GROUP, begun, definition, described, run, stopped

ENDS = Script(lines=("hello", "bye"), exit_code=0)
URL = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/url-Xk3bQz"


@pytest.fixture
async def account():
    async with opened(clock=VirtualClock(), secrets={URL: '{"url": "postgresql://there", "port": 5432}'}) as account:
        account.cloud.logs.create(GROUP)
        yield account


async def test_a_task_goes_through_its_states_and_ends_with_its_container(account):
    arn = await begun(account, await account.image(ENDS))
    states = []
    while (task := await described(account, arn))["lastStatus"] != "STOPPED":
        if task["lastStatus"] not in states:
            states.append(task["lastStatus"])
        await account.cloud.clock.sleep(1)
    assert states == ["PROVISIONING", "PENDING", "RUNNING", "DEPROVISIONING"]
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert task["containers"][0]["exitCode"] == 0
    assert account.backend.running == []


async def test_its_output_is_in_the_stream_of_its_prefix_its_container_and_its_id(account):
    arn = await begun(account, await account.image(ENDS))
    await stopped(account, arn)
    found = await account.ask("logs", "filter_log_events", logGroupName=GROUP)
    assert [event["message"] for event in found["events"]] == ["hello", "bye"]
    assert {event["logStreamName"] for event in found["events"]} == {f"slipway/migration/{arn.rpartition('/')[2]}"}


async def test_its_command_variables_and_secrets_reach_the_container(account):
    arn = await begun(
        account,
        await account.image(ENDS),
        entryPoint=["python"],
        command=["-c", "pass"],
        environment=[{"name": "COLOUR", "value": "red"}],
        secrets=[{"name": "URL", "valueFrom": f"{URL}:url::"}, {"name": "ALL", "valueFrom": URL}],
    )
    await stopped(account, arn)
    (order,) = account.backend.started
    assert order.command == ("python", "-c", "pass")
    assert order.variables["URL"] == "postgresql://there"
    assert order.variables["ALL"].startswith("{")
    assert order.variables["COLOUR"] == "red"


async def test_run_task_may_override_command_and_variables(account):
    digest = await account.image(ENDS)
    parts = {"command": ["a"], "environment": [{"name": "COLOUR", "value": "red"}]}
    await account.ask("ecs", "register_task_definition", **definition(digest, **parts))
    changed = {"name": "migration", "command": ["b"], "environment": [{"name": "COLOUR", "value": "blue"}]}
    answer = await account.ask("ecs", "run_task", **run(overrides={"containerOverrides": [changed]}))
    await stopped(account, answer["tasks"][0]["taskArn"])
    assert (account.backend.started[0].command, account.backend.started[0].variables["COLOUR"]) == (("b",), "blue")


async def test_a_stopped_task_is_killed_with_the_given_reason(account):
    arn = await begun(account, await account.image(Script()))
    await account.cloud.clock.sleep(60)
    assert (await described(account, arn))["lastStatus"] == "RUNNING"
    await account.ask("ecs", "stop_task", task=arn, reason="enough")
    task = await stopped(account, arn)
    assert (task["stopCode"], task["stoppedReason"], task["containers"][0]["exitCode"]) == (
        "UserInitiated",
        "enough",
        137,
    )


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (
            {"image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/notes@sha256:" + "0" * 64},
            "CannotPullContainerError: ",
        ),
        (
            {"secrets": [{"name": "A", "valueFrom": URL.replace("url", "absent")}]},
            "ResourceInitializationError: unable to pull secrets or registry auth: ",
        ),
        (
            {"secrets": [{"name": "A", "valueFrom": f"{URL}:absent::"}]},
            "ResourceInitializationError: unable to pull secrets or registry auth: ",
        ),
        (
            {"secrets": [{"name": "A", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/absent"}]},
            "ResourceInitializationError: unable to pull secrets or registry auth: ",
        ),
        (
            {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/absent"}}},
            "ResourceInitializationError: failed to validate logger args: ",
        ),
    ],
    ids=["image", "secret", "key of a secret", "parameter", "log group"],
)
async def test_the_stopped_reason_says_why_a_container_did_not_start(account, parts, reason):
    arn = await begun(account, await account.image(ENDS), **parts)
    task = await stopped(account, arn)
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith(reason)
    assert "exitCode" not in task["containers"][0]
    assert account.backend.started == []


async def test_a_repeated_client_token_returns_the_same_task(account):
    await account.ask("ecs", "register_task_definition", **definition(await account.image(ENDS)))
    first = await account.ask("ecs", "run_task", **run(clientToken="t"))
    arn = first["tasks"][0]["taskArn"]
    await stopped(account, arn)
    again = await account.ask("ecs", "run_task", **run(clientToken="t"))
    assert [(task["taskArn"], task["lastStatus"]) for task in again["tasks"]] == [(arn, "STOPPED")]
    code, _ = await account.refusal("ecs", "run_task", **run(clientToken="t", startedBy="somebody-else"))
    assert code == "ConflictException"
    await account.cloud.clock.sleep(timedelta(hours=1).total_seconds())
    later = await account.ask("ecs", "run_task", **run(clientToken="t"))
    assert later["tasks"][0]["taskArn"] != arn


async def test_tasks_are_listed_by_family_by_who_started_them_and_whether_they_shall_run(account):
    await account.ask("ecs", "register_task_definition", **definition(await account.image(Script())))
    arn = (await account.ask("ecs", "run_task", **run(startedBy="slipway/a")))["tasks"][0]["taskArn"]

    async def listed(**filters):
        return (await account.ask("ecs", "list_tasks", **filters))["taskArns"]

    assert await listed(startedBy="slipway/a") == await listed(family="migration") == await listed() == [arn]
    assert await listed(startedBy="slipway/b") == await listed(desiredStatus="STOPPED") == []
    await account.ask("ecs", "stop_task", task=arn)
    assert (await listed(), await listed(desiredStatus="STOPPED")) == ([], [arn])
    await stopped(account, arn)
    await account.cloud.clock.sleep(timedelta(hours=1).total_seconds())
    assert await listed(desiredStatus="STOPPED") == []
    missing = await account.ask("ecs", "describe_tasks", tasks=[arn])
    assert (missing["tasks"], missing["failures"]) == ([], [{"arn": arn, "reason": "MISSING"}])


async def test_a_cluster_that_is_not_there_is_not_found(account):
    await account.ask("ecs", "register_task_definition", **definition(await account.image(ENDS)))
    for operation, request in {"run_task": run(), "list_tasks": {}, "describe_tasks": {"tasks": ["a"]}}.items():
        refusal = await account.refusal("ecs", operation, cluster="absent", **request)
        assert refusal == ("ClusterNotFoundException", "Cluster not found.")


async def test_a_cluster_without_tasks_can_be_deleted(account):
    await account.ask("ecs", "create_cluster", clusterName="jobs")
    await account.ask("ecs", "register_task_definition", **definition(await account.image(ENDS)))
    await account.ask("ecs", "run_task", **run(), cluster="jobs")
    refusal = await account.refusal("ecs", "delete_cluster", cluster="jobs")
    assert refusal[0] == "ClusterContainsTasksException"
    while (await account.ask("ecs", "list_tasks", cluster="jobs"))["taskArns"]:  # those that are to run
        await account.cloud.clock.sleep(2)
    await account.cloud.clock.sleep(60)
    assert (await account.ask("ecs", "delete_cluster", cluster="jobs"))["cluster"]["status"] == "INACTIVE"
    assert (await account.refusal("ecs", "list_tasks", cluster="jobs"))[0] == "ClusterNotFoundException"


async def test_revisions_of_a_definition_are_listed_until_they_are_deregistered(account):
    digest = await account.image(ENDS)
    arns = [
        (await account.ask("ecs", "register_task_definition", **definition(digest)))["taskDefinition"][
            "taskDefinitionArn"
        ]
        for _ in range(2)
    ]
    assert [arn.rpartition(":")[2] for arn in arns] == ["1", "2"]
    assert (await account.ask("ecs", "list_task_definitions", familyPrefix="migration"))["taskDefinitionArns"] == arns
    gone = await account.ask("ecs", "deregister_task_definition", taskDefinition=arns[1])
    assert gone["taskDefinition"]["status"] == "INACTIVE"
    newest = await account.ask("ecs", "describe_task_definition", taskDefinition="migration")
    assert newest["taskDefinition"]["taskDefinitionArn"] == arns[0]
    assert await account.refusal("ecs", "run_task", **run(arns[1])) == ("ClientException", "TaskDefinition is inactive")
    assert await account.refusal("ecs", "run_task", **run("absent")) == ("ClientException", "TaskDefinition not found.")


async def test_tasks_that_find_no_place_are_failures_and_no_error(account):
    await account.ask("ecs", "register_task_definition", **definition(await account.image(ENDS)))
    account.cloud.ecs.unplaced.append("Capacity is unavailable at this time.")
    answer = await account.ask("ecs", "run_task", **run())
    assert (answer["tasks"], answer["failures"]) == ([], [{"reason": "Capacity is unavailable at this time."}])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"memory": "4096"}, "No Fargate configuration exists for given values: 256 CPU, 4096 memory."),
        ({"networkMode": "bridge"}, "Fargate only supports network mode 'awsvpc'."),
        (
            {"executionRoleArn": None},
            "Fargate requires task definition to have execution role ARN to support log driver",
        ),
    ],
)
async def test_a_definition_that_fargate_refuses_cannot_be_registered(account, changed, said):
    asked = {key: value for key, value in (definition("sha256:0") | changed).items() if value is not None}
    code, message = await account.refusal("ecs", "register_task_definition", **asked)
    assert code == "ClientException"
    assert said in message


async def test_a_definition_of_more_than_64_kilobytes_is_refused(account):
    code, _ = await account.refusal("ecs", "register_task_definition", **definition("sha256:0", command=["x" * 65536]))
    assert code == "ClientException"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"networkConfiguration": None}, "Network Configuration must be provided"),
        ({"overrides": {"containerOverrides": [{"name": "migration", "command": ["x" * 8192]}]}}, "at most 8192"),
        ({"launchType": "EC2"}, "Fargate only"),
        ({"count": 11}, "1 to 10"),
    ],
)
async def test_an_invalid_run_task_is_refused_with_the_reason(account, changed, said):
    await account.ask("ecs", "register_task_definition", **definition(await account.image(ENDS)))
    asked = {key: value for key, value in (run() | changed).items() if value is not None}
    code, message = await account.refusal("ecs", "run_task", **asked)
    assert code == "InvalidParameterException"
    assert said in message
