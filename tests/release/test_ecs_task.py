"""A migration by a Fargate task: found again, followed, heard, and told in one sentence when it fails."""

import shlex
from dataclasses import replace

import pytest

from slipway.commands.grammar import parse
from slipway.errors import BadInputError, RefusedError, UnknownOutcomeError
from slipway.records.migration import Standing
from slipway.release.errors import AwsRefusedError
from slipway.release.runners.definition import TaskOrder, definition
from slipway.release.runners.ecs_task import _explained
from slipway.settings import SettingsError
from slipway.simulator.faults import Effect, Fault
from tests.release.deployers import Kill, KilledError, MortalAws
from tests.release.desired import DIGEST, Telling
from tests.release.direct import opened
from tests.release.migrating import DONE, GROUP, TASK, URL, answer, done, failed, migrated, order, runner_of, settings
from tests.simulator.scripted import Script

MOST_REQUESTS = 30
VALUE = "postgresql://notes:a-canary-word@db/notes"


@pytest.fixture
async def account():
    async with opened(secrets={URL: VALUE}) as account:
        account.cloud.logs.create(GROUP)
        yield account


async def refusal(account, script=None, kind=RefusedError, **changes):
    """The sentence in which a migration ends that does not go well."""
    with pytest.raises(kind) as caught:
        await migrated(account, script or done(), **changes)
    assert "canary" not in str(caught.value)
    return str(caught.value)


async def test_the_record_comes_back_and_lines_are_reported_meanwhile(account):
    migration, told = await migrated(account, done("revision one", "revision two"))
    assert migration == DONE
    assert [line for line in told if line.startswith("revision")] == ["revision one", "revision two"]
    assert not any("slipway-answer" in line for line in told)
    assert account.cloud.requests.count("RunTask") == 1


async def test_the_platform_passes_secrets_to_the_container_and_slipway_never_sees_them(account):
    _, told = await migrated(account, done(), variables={"COLOUR": "a-canary-colour"})
    (started,) = account.backend.started
    assert started.variables["DATABASE_URL"] == VALUE
    assert started.variables["COLOUR"] == "a-canary-colour"
    assert "GetSecretValue" not in account.cloud.requests
    assert "canary" not in "".join(told)
    assert started.command[:2] == ("python", "-c")


async def test_an_unchanged_definition_is_used_again_and_old_ones_go(account):
    digest = await account.image(done())
    for _ in range(2):
        await runner_of(account, order(digest)).migrate(Telling())
    assert account.cloud.requests.count("RegisterTaskDefinition") == 1
    await migrated(account, done())
    listed = await account.ask("ecs", "list_task_definitions")
    assert [arn.rpartition("/")[2] for arn in listed["taskDefinitionArns"]] == ["notes-staging-migration:2"]


async def test_reading_the_revisions_is_a_task_of_its_own_that_changes_nothing(account):
    seen = Standing(("one",), ("two",), (), ("two",))
    ordered = order(await account.image(done(record=seen)))
    assert await runner_of(account, ordered).standing() == seen
    assert account.backend.started[0].command[-1] == "--status"
    assert parse(shlex.split(replace(ordered, only_reads=True).again)[1:]).status
    assert account.cloud.ecs.definitions.find("notes-staging-migration") is None


async def test_a_refusal_of_the_migration_is_reported_in_its_own_words(account):
    said = await refusal(account, failed("the database stands at five", "roll back"))
    assert said == "the database stands at five: roll back"
    said = await refusal(account, failed("there is no alembic.ini", "name it", 2), BadInputError)
    assert said == "there is no alembic.ini: name it"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            Script(("Traceback", "KeyError: \x1b[31m'NO'"), exit_code=1),
            "the migration ended with the exit code 1: KeyError: 'NO'",
        ),
        (Script((), exit_code=3), f"the migration ended with the exit code 3: it wrote nothing; its log is {GROUP}"),
        (
            Script((), exit_code=137),
            "the container of the migration was killed with the exit code 137 (OutOfMemoryError: Container killed due to memory usage): give it",
        ),
        (Script(starts=False), "the task of the migration did not start (CannotStartContainerError: the script does not start: write another): open"),
    ],
    ids=["an exit code", "silence", "killed", "no start"],
)  # fmt: skip
async def test_a_container_that_ends_badly_is_one_sentence(account, script, said):
    assert (await refusal(account, script)).startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"secrets": {"DATABASE_URL": URL.replace("url", "absent")}}, "ECS cannot find a secret of the migration ("),
        ({"runner": replace(TASK, log_group="/absent")}, "there is no log group /absent: create it with `slipway bootstrap --environment staging --apply`, or without bootstrap by aws logs"),
        ({"runner": replace(TASK, cluster="absent")}, "AWS refused ecs list_tasks with ClusterNotFoundException: Cluster not found.: create the cluster absent, or"),
    ],
    ids=["a secret", "the log group", "the cluster"],
)  # fmt: skip
async def test_what_is_not_there_is_named_with_the_remedy(account, changes, said):
    assert (await refusal(account, **changes)).startswith(said)


async def test_an_image_that_is_not_there_is_named(account):
    with pytest.raises(RefusedError, match=f"ECS finds no image .*{DIGEST}: push it first"):
        await runner_of(account, order(DIGEST)).migrate(Telling())


async def test_a_task_without_capacity_is_reported_with_ecs_own_reason(account):
    account.cloud.ecs.unplaced.append("Capacity is unavailable at this time.")
    assert "no capacity for the task of the migration (Capacity is unavailable at this time.)" in await refusal(account)


async def test_a_task_that_a_user_stops_is_a_refusal(account):
    ordered, telling = order(await account.image(Script())), Telling()

    async def stop():
        (arn,) = (await account.ask("ecs", "list_tasks"))["taskArns"]
        await account.ask("ecs", "stop_task", task=arn, reason="enough")

    account.cloud.faults.add(Fault(operation="DescribeTasks", effect=Effect.OVERTAKEN, skip=8, other=stop))
    with pytest.raises(
        RefusedError, match=r"the task of the migration was stopped by a user \(enough\): run the same command"
    ):
        await runner_of(account, ordered).migrate(telling)


async def test_after_the_timeout_the_outcome_is_unknown_and_the_same_command_finds_the_task(account):
    ordered = order(await account.image(Script()), replace(TASK, timeout=120))
    with pytest.raises(UnknownOutcomeError) as caught:
        await runner_of(account, ordered).migrate(Telling())
    said = str(caught.value)
    assert "after 2 minutes the task" in said
    assert (
        f"is still RUNNING: it continues; run `slipway migrate --environment staging --image {ordered.image}`" in said
    )
    assert len(account.backend.running) == 1
    with pytest.raises(UnknownOutcomeError):
        await runner_of(account, ordered).migrate(telling := Telling())
    assert "which another run started" in telling.lines[0]
    assert account.cloud.requests.count("RunTask") == 1


async def test_who_may_not_read_the_log_learns_from_the_exit_code_and_what_is_not_known(account):
    account.cloud.faults.add(Fault(operation="FilterLogEvents", effect=Effect.EXPIRED, times=100))
    migration, told = await migrated(account, done("revision one"))
    assert migration.unseen.startswith("its log cannot be read (AWS refused logs filter_log_events with ExpiredToken")
    assert migration.unseen.endswith("the task succeeded, so the database is at the release's head")
    assert sum("the log cannot be read" in line for line in told) == 1
    said = await refusal(account, failed("a", "b"))
    assert said.startswith(
        f"the migration ended with the exit code 1: its log {GROUP} cannot be read (AWS refused logs"
    )


async def test_lines_that_come_late_are_waited_for_a_while(account):
    account.cloud.logs.late = 40
    assert (await migrated(account, done()))[0] == DONE
    account.cloud.logs.late = 4000
    migration, _ = await migrated(account, done())
    assert migration.unseen.startswith("its log does not contain its answer")


async def test_an_answer_that_is_none_is_no_record(account):
    migration, _ = await migrated(account, Script((answer(DONE).replace("applied", "other\\u001b[1m"),), exit_code=0))
    assert "the task's answer is no slipway/migration/1" in migration.unseen
    assert "\x1b" not in migration.unseen


@pytest.mark.parametrize("operation", ["RegisterTaskDefinition", "RunTask"])
@pytest.mark.parametrize("effect", [Effect.ANSWER_LOST, Effect.CALL_LOST, Effect.UNAVAILABLE, Effect.THROTTLED])
async def test_a_call_without_an_answer_is_made_again_and_comes_to_one_task(account, operation, effect):
    account.cloud.faults.add(Fault(operation=operation, effect=effect, times=2))
    migration, _ = await migrated(account, done())
    assert (migration, len(account.cloud.ecs.tasks)) == (DONE, 1)


async def test_who_cannot_follow_the_task_any_more_does_not_say_no(account):
    account.cloud.faults.add(Fault(operation="DescribeTasks", effect=Effect.EXPIRED, skip=3, times=100))
    said = await refusal(account, kind=UnknownOutcomeError)
    assert "the migration continues as the task" in said
    assert "sign in again" in said
    assert "`slipway migrate --environment staging --image" in said


async def test_a_task_that_ecs_forgets_is_not_known_to_have_failed(account):
    async def forget():
        account.cloud.ecs.tasks.clear()

    account.cloud.faults.add(Fault(operation="DescribeTasks", effect=Effect.OVERTAKEN, skip=3, other=forget))
    said = await refusal(account, kind=UnknownOutcomeError)
    assert "any more: run `slipway migrate --environment staging --image" in said


def test_a_role_that_may_not_be_passed_is_distinguished_from_other_actions():
    def explained(said):
        refused = AwsRefusedError("ecs", "run_task", {"Code": "AccessDeniedException", "Message": said})
        return _explained(refused, order(DIGEST)).next_step

    assert explained("User x is not authorized to perform: iam:PassRole on resource y").startswith(
        "allow the deploy role iam:PassRole"
    )
    assert (
        explained("User x is not authorized to perform: ecs:RunTask on resource y")
        == "give the deploy role this action"
    )


@pytest.mark.slow
@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
async def test_killed_at_each_request_and_run_again_it_ends_in_one_migration(account, answered):
    for index in range(MOST_REQUESTS):
        ordered, before = order(await account.image(done())), len(account.cloud.ecs.tasks)
        mortal = MortalAws(account, Kill(index, answered))
        try:
            await runner_of(account, ordered, mortal, f"{index} a1b2").migrate(Telling())
        except KilledError:
            pass
        else:
            assert index > 10
            return
        at = f"killed {'after' if answered else 'before'} request {index}"
        assert await runner_of(account, ordered, deployment=f"{index} a1b2").migrate(Telling()) == DONE, at
        assert len(account.cloud.ecs.tasks) - before == 1, at
    raise AssertionError("it never ends")


async def test_the_same_deployment_finds_its_task_also_when_that_has_ended(account):
    ordered = order(await account.image(done()))
    for _ in range(2):
        assert await runner_of(account, ordered, deployment="7 a1b2").migrate(Telling()) == DONE
    assert len(account.cloud.ecs.tasks) == 1
    await runner_of(account, ordered, deployment="8 c3d4").migrate(Telling())
    await runner_of(account, ordered).migrate(Telling())
    assert len(account.cloud.ecs.tasks) == 3


async def test_a_task_of_the_same_deployment_that_failed_is_not_its_last_word(account):
    ordered = order(await account.image(failed("the table is locked", "wait")))
    with pytest.raises(RefusedError, match="the table is locked"):
        await runner_of(account, ordered, deployment="7 a1b2").migrate(Telling())
    account.backend.scripts[ordered.image.digest] = done()
    assert await runner_of(account, ordered, deployment="7 a1b2").migrate(Telling()) == DONE


async def test_settings_that_have_changed_since_begin_another_task(account):
    digest = await account.image(done())
    for memory in (512, 1024):
        ordered = order(digest, replace(TASK, memory=memory))
        assert await runner_of(account, ordered, deployment="7 a1b2").migrate(Telling()) == DONE
    assert len(account.cloud.ecs.tasks) == 2


def test_a_definition_names_secrets_by_arn_and_the_image_by_digest():
    made = definition(order(DIGEST, replace(TASK, task_role="arn:task"), variables={"COLOUR": "red"}))
    (container,) = made["containerDefinitions"]
    assert container["image"].endswith(f"/notes@{DIGEST}")
    assert container["secrets"] == [{"name": "DATABASE_URL", "valueFrom": URL}]
    assert container["environment"] == [{"name": "COLOUR", "value": "red"}]
    assert made["runtimePlatform"] == {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}
    assert (made["family"], made["taskRoleArn"]) == ("notes-staging-migration", "arn:task")


def test_the_same_order_makes_the_same_definition_and_another_another():
    assert definition(order(DIGEST)) == definition(order(DIGEST))
    changed = definition(order(DIGEST, variables={"COLOUR": "red"}))
    assert (
        changed["containerDefinitions"][0]["dockerLabels"]
        != definition(order(DIGEST))["containerDefinitions"][0]["dockerLabels"]
    )


def test_a_definition_that_ecs_would_not_take_is_refused_before_it_is_sent():
    with pytest.raises(BadInputError, match=r"has \d+ bytes, and ECS accepts 65536: shorten the variables of staging"):
        definition(order(DIGEST, variables={"LARGE": "x" * 60_000}))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (settings(None), "staging does not say who migrates its database: add a table migration to [tool.slipway.environments.staging] with"),
        (settings(secrets={}), "staging has no DATABASE_URL with the URL of its database: add its secret to secrets in [tool.slipway.environments.staging],"),
    ],
)  # fmt: skip
def test_settings_that_say_too_little_are_one_sentence(made, said):
    with pytest.raises(SettingsError) as caught:
        TaskOrder(settings=made, environment="staging", digest=DIGEST)
    assert str(caught.value).startswith(said)
