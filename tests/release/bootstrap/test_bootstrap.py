"""The oracle is the account: what is in it, and what it was asked for."""

import json
from dataclasses import replace

import anyio
import pytest

from slipway.environment.bootstrap import AccountSetup, with_repository
from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.errors import SlipwayError, UnknownOutcomeError, within
from slipway.records.bootstrap import Bootstrap, Result
from slipway.records.form import from_json, to_json
from slipway.records.outcome import Status
from slipway.release.bootstrap import change_set as room
from slipway.release.bootstrap.template import stacks
from slipway.release.cloudformation import trusts_service
from slipway.report.account import of_bootstrap
from slipway.settings import Scaling, Settings, SettingsError
from slipway.simulator.faults import Effect, Fault
from tests.environment.express import BRISK
from tests.release.bootstrap.wanted import (
    FULL,
    GITHUB,
    NETWORK,
    OTHER_ACCOUNT,
    STAGING,
    environment,
    express,
    settings,
    untold,
)
from tests.release.desired import aws_of, time_of
from tests.release.direct import opened
from tests.release.policed import PolicedAws, hold
from tests.simulator.account import SLOW, Account

WANTED = settings(staging=STAGING)
ON_EXPRESS = replace(settings(staging=express("staging")), health_path="/healthz")
CHANGES = ("CreateChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "DeleteStack")


@pytest.fixture(scope="module")
async def shared():
    async with opened(pace=SLOW) as account:
        yield account


@pytest.fixture
async def account(shared):
    """With nothing in it; that it is always the same one saves the making of clients."""
    cloud = shared.cloud
    cloud.faults.clear()
    cloud.guard.policies.clear()
    while {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"} & set((await statuses(shared)).values()):
        await cloud.clock.sleep(1)
    for stack in list(cloud.cloudformation.stacks):
        await shared.ask("cloudformation", "delete_stack", StackName=stack)
    while await statuses(shared):
        await cloud.clock.sleep(1)
    for left in (cloud.store.repositories, cloud.resources.models, cloud.iam.roles, cloud.requests):
        left.clear()
    return shared


def ground(account: Account, wanted: Settings = WANTED, name: str = "staging") -> AccountSetup:
    return AccountSetup(settings=wanted, environment=name, aws=aws_of(account), time=time_of(account))


async def statuses(account: Account) -> dict[str, str]:
    found = (await account.ask("cloudformation", "describe_stacks"))["Stacks"]
    return {stack["StackName"]: stack["StackStatus"] for stack in found}


def asked(account: Account, since: int) -> list[str]:
    return [request for request in account.cloud.requests[since:] if request in CHANGES]


async def refusal(act) -> str:
    with pytest.raises(SlipwayError) as refused:
        await act
    return str(within(refused.value))


async def test_what_would_be_made_is_shown_and_nothing_of_it_is_left(account):
    found = await ground(account).propose(untold)
    assert [(stack.result, stack.is_new) for stack in found.stacks] == [(Result.PROPOSED, True)] * 2
    assert [change.name for change in found.stacks[1].changes] == ["AccessRole", "DeployRole"]
    assert await statuses(account) == {}
    assert account.cloud.store.repositories == {}
    assert "ExecuteChangeSet" not in account.cloud.requests


async def test_what_is_applied_is_there_and_is_followed(account):
    lines = []
    found = await ground(account, settings(staging=FULL)).apply(lambda event: lines.append(event.line))
    assert [stack.result for stack in found.stacks] == [Result.APPLIED, Result.APPLIED]
    assert await statuses(account) == dict.fromkeys(
        ("slipway-notes-shared", "slipway-notes-staging"), "CREATE_COMPLETE"
    )
    assert account.cloud.store.repositories["notes"].immutable
    assert "CREATE_COMPLETE AWS::ECR::Repository Repository" in lines
    assert len(lines) == len(set(lines))
    assert found.stacks[0].outputs["AWS_ROLE of the GitHub repository's variables"].endswith(":role/notes-image")
    assert ":vpcconnector/notes-staging/" in found.stacks[1].outputs["vpc-connector of the settings"]


async def test_an_end_is_believed_only_when_it_is_that_of_this_very_change(account):
    """Permission after the call a stack may still be described as before, or another change has ended meanwhile."""
    await ground(account).apply(untold)
    stack = account.cloud.cloudformation.stacks["slipway-notes-staging"]
    account.cloud.cloudformation.handlers.failing["AutoScaling"] = "no"

    async def ends() -> None:
        stack.enter(account.cloud.clock.now(), "UPDATE_COMPLETE", "somebody-else")

    account.cloud.faults.add(Fault(operation="ExecuteChangeSet", effect=Effect.OVERTAKEN, other=ends))
    found = await ground(account, settings(staging=replace(STAGING, scaling=Scaling()))).apply(untold)
    assert found.stacks[1].result is Result.FAILED


async def test_what_is_there_already_is_neither_changed_nor_left_with_a_change_set(account):
    await ground(account).apply(untold)
    for act in (ground(account).apply, ground(account).propose):
        before = len(account.cloud.requests)
        found = await act(untold)
        assert [stack.result for stack in found.stacks] == [Result.UNCHANGED, Result.UNCHANGED]
        assert found.stacks[1].outputs
        assert asked(account, before).count("DeleteChangeSet") == 2
        assert not {"ExecuteChangeSet", "DeleteStack"} & set(asked(account, before))


async def test_another_setting_is_shown_as_what_it_changes(account):
    await ground(account, settings(staging=replace(STAGING, network=NETWORK, scaling=Scaling()))).apply(untold)
    changed = replace(STAGING, network=None, scaling=Scaling(most=3), service="notes-staging")
    found = await ground(account, settings(staging=changed)).propose(untold)
    told = {(change.action, change.name, change.replacement) for change in found.stacks[1].changes}
    assert told >= {
        ("Modify", "AutoScaling", "True"),
        ("Modify", "DeployRole", "False"),
        ("Remove", "VpcConnector", ""),
    }
    assert "  ~ Modify AWS::AppRunner::AutoScalingConfiguration AutoScaling" in of_bootstrap(found)
    assert "(is replaced)" in of_bootstrap(found)


async def test_production_beside_staging_finds_what_they_share(account):
    wanted = settings(staging=STAGING, production=environment("production"))
    await ground(account, wanted).apply(untold)
    found = await ground(account, wanted, "production").apply(untold)
    assert [stack.result for stack in found.stacks] == [Result.UNCHANGED, Result.APPLIED]


async def test_a_repository_with_images_is_taken_over(account):
    await account.ask("ecr", "create_repository", repositoryName="notes")
    digest = await account.image()
    found = await ground(account).apply(untold)
    assert ("Import", "Repository") in {(change.action, change.name) for change in found.stacks[0].changes}
    assert digest in account.cloud.store.repositories["notes"].manifests


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [WANTED, ON_EXPRESS], ids=["app-runner", "ecs-express"])
async def test_after_bootstrap_a_deployment_works_under_the_policy_that_the_deploy_role_has(account, wanted):
    await ground(account, wanted).apply(untold)
    (_, own) = stacks(wanted, "staging")
    (only,) = own.template["Resources"]["DeployRole"]["Properties"]["Policies"]
    hold(account, only["PolicyDocument"])
    account.cloud.ecs.express.pace = BRISK
    time, aws = time_of(account), PolicedAws(account)
    staging = Environment(settings=wanted, name="staging", endpoint_url=account.cloud.url, time=time, connection=aws)
    outcome = await staging.deploy(await account.image(), untold)
    assert outcome.status is Status.SUCCEEDED


async def test_roles_that_exist_already_are_named_before_anything_is_made(account):
    wanted = settings(staging=FULL)
    trust = json.dumps(trusts_service("ecs.amazonaws.com"))
    for name in ("notes-staging-access", "notes-staging-instance"):
        await account.ask("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=trust)
    for act in (ground(account, wanted).propose, ground(account, wanted).apply):
        said = await refusal(act(untold))
        assert "exist already, and nothing was changed: notes-staging-access, notes-staging-instance" in said
        assert await statuses(account) == {}
    account.cloud.iam.roles.clear()


async def test_a_role_of_the_same_stack_in_another_region_is_named_as_such(account):
    trust = json.dumps(trusts_service("ecs.amazonaws.com"))
    tags = [{"Key": "slipway:service", "Value": "notes"}]
    await account.ask("iam", "create_role", RoleName="notes-image", AssumeRolePolicyDocument=trust, Tags=tags)
    assert (await refusal(ground(account).propose(untold))).startswith(
        "the role notes-image was made by a stack slipway-notes-shared, and there is none in eu-west-1: write the region"
    )


async def test_a_resource_that_cannot_be_made_is_a_failure_with_its_reason_and_a_remedy(account):
    account.cloud.cloudformation.handlers.failing["AccessRole"] = "notes-staging-access already exists"
    found = await ground(account).apply(untold)
    assert [stack.result for stack in found.stacks] == [Result.APPLIED, Result.FAILED]
    (failure,) = found.stacks[1].failures
    assert (failure.name, "notes-staging-access already exists" in failure.reason) == ("AccessRole", True)
    assert "delete it, or choose another name in the settings" in of_bootstrap(found)
    assert "slipway-notes-staging --region eu-west-1" in await refusal(ground(account).apply(untold))


async def test_after_a_stack_that_failed_no_other_is_begun(account):
    account.cloud.cloudformation.handlers.failing["Repository"] = "no"
    found = await ground(account).apply(untold)
    assert [stack.result for stack in found.stacks] == [Result.FAILED]


async def test_an_empty_stack_left_by_another_run_is_reused(account):
    _, own = stacks(WANTED, "staging")
    named = {"StackName": own.name, "ChangeSetName": "looked", "ChangeSetType": "CREATE"}
    capable = {"TemplateBody": own.text, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    await account.ask("cloudformation", "create_change_set", **named, **capable)
    await ground(account).propose(untold)
    assert (await statuses(account)) == {own.name: "REVIEW_IN_PROGRESS"}  # another run may be looking at it
    found = await ground(account).apply(untold)
    assert [stack.result for stack in found.stacks] == [Result.APPLIED, Result.APPLIED]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("UPDATE_IN_PROGRESS", "another operation is changing the stack"),
        ("UPDATE_ROLLBACK_FAILED", "the stack slipway-notes-shared is UPDATE_ROLLBACK_FAILED"),
        ("ROLLBACK_COMPLETE", "was left by a failed creation"),
        ("ROLLBACK_FAILED", "was left by a failed creation and cannot be updated: aws cloudformation delete-stack"),
    ],
)
async def test_a_stack_that_cannot_be_changed_now_is_one_sentence(account, status, said):
    await ground(account).apply(untold)
    account.cloud.cloudformation.stacks["slipway-notes-shared"].status = status
    before = len(account.cloud.requests)
    assert said in await refusal(ground(account).apply(untold))
    assert asked(account, before) == []
    account.cloud.cloudformation.stacks["slipway-notes-shared"].status = "CREATE_COMPLETE"


async def test_a_foreign_stack_is_left_alone(account):
    await ground(account).apply(untold)
    stack = account.cloud.cloudformation.stacks["slipway-notes-staging"]
    stack.tags = [{"Key": "slipway:service", "Value": "other"}]
    assert "that slipway did not make for this" in await refusal(ground(account).propose(untold))


async def test_tags_of_other_people_stay(account):
    await ground(account).apply(untold)
    stack = account.cloud.cloudformation.stacks["slipway-notes-staging"]
    stack.tags.append({"Key": "team", "Value": "blue"})
    await ground(account, settings(staging=replace(STAGING, scaling=Scaling()))).apply(untold)
    assert {"Key": "team", "Value": "blue"} in stack.tags


@pytest.mark.parametrize("operation", ["DescribeChangeSet", "ExecuteChangeSet"])
async def test_a_denied_call_on_the_way_leaves_nothing(account, operation):
    allowed = [
        name for name in ("DescribeStacks", "DescribeStackEvents", "DescribeChangeSet", *CHANGES) if name != operation
    ]
    actions = [f"cloudformation:{name}" for name in allowed]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    hold(account, {"Statement": [statement]})
    said = await refusal(replace(ground(account), aws=PolicedAws(account)).apply(untold))
    assert f"is not authorized to perform: cloudformation:{operation}" in said
    assert "`slipway permissions --command bootstrap` prints what is" in said
    assert await statuses(account) == {}


async def test_who_interrupts_leaves_nothing(account):
    with anyio.CancelScope() as scope:
        account.cloud.faults.add(
            Fault(operation="DescribeChangeSet", effect=Effect.OVERTAKEN, other=_cancelling(scope))
        )
        await ground(account).propose(untold)
    assert scope.cancelled_caught
    assert await statuses(account) == {}


def _cancelling(scope: anyio.CancelScope):
    async def cancel() -> None:
        scope.cancel()

    return cancel


async def test_a_lost_answer_is_unknown_and_the_next_run_finds_out(account):
    account.cloud.faults.add(Fault(operation="ExecuteChangeSet", effect=Effect.ANSWER_LOST))
    with pytest.raises((UnknownOutcomeError, ExceptionGroup)) as unknown:
        await ground(account).apply(untold)
    assert isinstance(within(unknown.value), UnknownOutcomeError)
    await account.cloud.clock.sleep(600)
    assert (await ground(account).apply(untold)).stacks[0].result is Result.UNCHANGED


async def test_after_the_timeout_the_outcome_is_unknown(account, monkeypatch):
    monkeypatch.setattr(room, "_TIMEOUT_SECONDS", 1.0)
    assert "is still being" in await refusal(ground(account).apply(untold))


async def test_credentials_of_another_account_are_refused_before_anything(account):
    wanted = settings(staging=environment("staging", OTHER_ACCOUNT))
    assert "are of the account 123456789012, and staging is in 210987654321" in await refusal(
        ground(account, wanted).apply(untold)
    )
    assert asked(account, 0) == []


async def test_the_record_can_be_read_back(account):
    found = await ground(account).propose(untold)
    assert from_json(Bootstrap, to_json(found), "bootstrap") == found
    assert json.loads(to_json(found))["stacks"][0]["result"] == "proposed"


async def test_the_report_says_what_to_do_next(account):
    proposed = of_bootstrap(await ground(account).propose(untold))
    assert proposed.startswith(
        "proposed new stack slipway-notes-shared in eu-west-1\n  + Add    AWS::ECR::Repository Rep"
    )
    assert proposed.endswith("nothing was changed; run the same command with --apply to make these changes\n")
    applied = of_bootstrap(await ground(account).apply(untold))
    assert "  AWS_REGION of the GitHub repository's variables: eu-west-1\n" in applied
    assert applied.endswith("all templates match the settings; --drift compares the resources with them\n")


def test_a_flag_names_another_repository_and_keeps_the_rest():
    named = with_repository(WANTED, "other/notes").github
    assert named
    assert (named.repository, named.branch) == ("other/notes", GITHUB.branch)
    assert with_repository(settings(github=None, staging=STAGING), "o/n").github
    with pytest.raises(SettingsError, match="--github: found 'notes'"):
        with_repository(WANTED, "notes")


async def test_a_change_set_that_another_run_took_away_is_named(account):
    (first, *_) = stacks(WANTED, "staging")
    change_set = room.StackChangeSet(aws_of(account), first, time_of(account), untold)
    async with change_set.proposed() as proposal:
        await account.ask("cloudformation", "delete_stack", StackName=first.name)
        while await statuses(account):
            await account.cloud.clock.sleep(1)
        with pytest.raises(SlipwayError, match="another run shows or makes the stack slipway-notes-shared"):
            await change_set.execute(proposal)
