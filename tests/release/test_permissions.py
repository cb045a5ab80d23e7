"""Each verb is played against an account that allows exactly what its policy allows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from slipway import settings
from slipway.environment import logs
from slipway.environment.diagnosis import diagnose
from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.environment.environment import destroy, pause, resume
from slipway.environment.preflight import preflight
from slipway.environment.redeploy import CompatibilityEvidence, live_in, promote, rollback
from slipway.environment.secrets import secrets, set_secret
from slipway.environment.status import status
from slipway.errors import BadInputError, SlipwayError, within
from slipway.oci.artifact import EMPTY, Artifact
from slipway.oci.registry import opened as opened_registry
from slipway.records.ledger import Intent
from slipway.records.outcome import Outcome, Status
from slipway.records.plan import Action
from slipway.records.progress import Event
from slipway.release.aws import ecr
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.roles import DEPLOY_ROLE, PERMISSIONS, policy, scope_of
from slipway.release.permissions import ANY, ANY_TASK, REPOSITORY, SHARED, Permission, granted, merged, narrowed
from slipway.simulator.authorization import Needed, allows
from tests.release.desired import time_of
from tests.release.direct import opened
from tests.release.migrating import TASK
from tests.release.policed import PolicedAws, freely, hold
from tests.simulator.account import SLOW, Account, asked
from tests.simulator.scripted import Script

SETTINGS = settings.parse("""
[tool.slipway]
name = "notes"
command = ["notes"]

[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/notes-access"
instance-role = "arn:aws:iam::123456789012:role/notes-instance"
secrets = { URL = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes-aBcDeF", KEY = "arn:aws:ssm:eu-west-1:123456789012:parameter/key" }
network = { vpc = "vpc-1", subnets = ["subnet-1"], database-security-group = "sg-1" }
scaling = { most = 3 }

[tool.slipway.environments.production]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/notes-access"
""")
STAGING = SETTINGS.environment("staging")
SCOPE = scope_of(SETTINGS, "staging")
URL = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes-aBcDeF:url::"
KILLED = Intent(environment="staging", number=0, image="", wanted="w", fingerprint="f", holder="ci", nonce="n")
OURS = [{"Key": "slipway:environment", "Value": "staging"}]
SICK = Script(lines=("KeyError: 'REDIS_URL'",), exit_code=1)


@dataclass
class Scene:
    """An account in which `live` answers in staging."""

    account: Account
    staging: Environment
    production: Environment
    live: str = ""
    lines: list[str] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        self.lines.append(event.line)

    async def released(self) -> None:
        """Deploy a release that is in the ledger, without a policy."""
        self.live = await self.account.image()
        await freely(self.account.cloud.guard, self.staging.deploy(self.live, self.tell))
        self.lines.clear()
        for known in ("ledger", "store"):  # the command that follows is another process
            vars(self.staging).pop(known, None)

    async def settled(self) -> None:
        (service,) = (await self.account.ask("apprunner", "list_services"))["ServiceSummaryList"]
        await self.account.settled(service["ServiceArn"])

    async def under_way(self) -> None:
        """Change the service from outside slipway."""
        self.live = await self.account.image()
        (service,) = (await self.account.ask("apprunner", "list_services"))["ServiceSummaryList"]
        await self.account.ask("apprunner", "update_service", ServiceArn=service["ServiceArn"], **asked(self.live))


def environment(account: Account, there: settings.Settings, name: str, aws: Aws) -> Environment:
    return Environment(settings=there, name=name, endpoint_url=account.cloud.url, time=time_of(account), connection=aws)


async def with_parts(account: Account) -> settings.Settings:
    """Return the settings with the parts that bootstrap makes for staging."""
    connector = {"VpcConnectorName": "notes-staging", "Subnets": ["subnet-1"]}
    scaling = {"AutoScalingConfigurationName": "notes-staging", "MaxSize": 3}
    reach = (await account.ask("apprunner", "create_vpc_connector", **connector))["VpcConnector"]
    size = (await account.ask("apprunner", "create_auto_scaling_configuration", **scaling))["AutoScalingConfiguration"]
    parts = {"vpc_connector": reach["VpcConnectorArn"], "auto_scaling": size["AutoScalingConfigurationArn"]}
    staging = replace(SETTINGS.environment("staging"), **parts)
    return replace(SETTINGS, environments={**SETTINGS.environments, "staging": staging})


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    secrets = dict.fromkeys(STAGING.secrets.values(), "a value")
    async with opened(pace=SLOW, secrets=secrets) as account:
        there, aws = await with_parts(account), PolicedAws(account)
        staging, production = (environment(account, there, name, aws) for name in ("staging", "production"))
        yield Scene(account, staging, production)


async def ended(act: Awaitable[Outcome], there: Scene, status: Status = Status.SUCCEEDED) -> Outcome:
    """Return an outcome that must have the status; a failure shows the events on the way."""
    outcome = await act
    if outcome.status is not status or any("not authorized" in line for line in there.lines):
        raise AssertionError("\n".join([f"{outcome.status} instead of {status}", *there.lines, str(outcome.diagnosis)]))
    return outcome


async def look(there: Scene) -> None:
    digest = await there.account.image()
    await there.staging.plan(digest)
    arn = await there.account.create(digest, "notes-staging")
    assert "was not made by slipway" in (await there.staging.plan(digest)).reason
    await there.account.ask("apprunner", "tag_resource", ResourceArn=arn, Tags=OURS)
    assert (await there.staging.plan(digest)).action is Action.UPDATE
    await there.under_way()
    assert (await there.staging.status()).operation


async def situation(there: Scene) -> None:
    await there.released()
    seen = await status(there.staging)
    assert not seen.unseen, seen.unseen
    assert seen.live
    await there.under_way()
    for newest in (1, 2):  # runs that were killed before they changed anything
        await freely(there.account.cloud.guard, there.staging.ledger.claim(KILLED, newest))
    seen = await status(there.staging)
    assert (bool(seen.observed.operation), seen.unfinished, seen.newest.status) == (True, (3,), Status.SUPERSEDED)


async def history(there: Scene) -> None:
    await there.released()
    assert (await there.staging.history()).releases


async def deploy(there: Scene) -> None:
    """Create a service in an empty repository, update it, and deploy a release that fails with a diagnosis."""
    first, second, sick = [await there.account.image(script) for script in (None, None, SICK)]
    await ended(there.staging.deploy(first, there.tell), there)
    await ended(there.staging.deploy(second, there.tell), there)
    failed = await ended(there.staging.deploy(sick, there.tell), there, Status.ROLLED_BACK)
    assert failed.diagnosis
    assert failed.diagnosis.rule == "missing-variable"


async def back(there: Scene) -> None:
    """Go back to the previous release, and to one that does not start any more and is diagnosed; ECR has dropped the ledger's blob."""
    await there.released()
    gone = there.live
    await there.released()
    await there.released()
    there.account.cloud.store.repositories["notes-ledger-staging"].blobs.clear()
    await ended(rollback(there.staging, there.tell, None, CompatibilityEvidence(reason="a test")), there)
    there.account.backend.scripts[gone] = SICK
    failed = await ended(
        rollback(there.staging, there.tell, 1, CompatibilityEvidence(reason="a test")), there, Status.ROLLED_BACK
    )
    assert failed.diagnosis


async def rest(there: Scene) -> None:
    """Pause a service that slipway has never changed; the platform fails at first."""
    there.live = await there.account.image()
    service = there.account.cloud.app_runner.services[
        await there.account.create(there.live, "notes-staging", Tags=OURS)
    ]
    service.failing.add("PAUSE_SERVICE")
    await ended(pause(there.staging, there.tell), there, Status.FAILED)
    service.failing.clear()
    await ended(pause(there.staging, there.tell), there)


async def wake(there: Scene) -> None:
    """Resume a release that does not start at first and is diagnosed."""
    there.live = await there.account.image()
    arn = await there.account.create(there.live, "notes-staging", Tags=OURS)
    await there.account.ask("apprunner", "pause_service", ServiceArn=arn)
    await there.account.settled(arn)
    there.account.backend.scripts[there.live] = SICK
    await ended(resume(there.staging, there.tell), there, Status.FAILED)
    there.account.backend.scripts[there.live] = Script()
    await ended(resume(there.staging, there.tell), there)


async def end(there: Scene) -> None:
    there.live = await there.account.image()
    service = there.account.cloud.app_runner.services[
        await there.account.create(there.live, "notes-staging", Tags=OURS)
    ]
    service.failing.add("DELETE_SERVICE")
    await ended(destroy(there.staging, there.tell, "notes-staging"), there, Status.FAILED)
    service.failing.clear()
    await ended(destroy(there.staging, there.tell, "notes-staging"), there)


async def examine(there: Scene) -> None:
    await there.released()
    sick = await there.account.image(SICK)
    await freely(there.account.cloud.guard, there.staging.deploy(sick, there.tell))
    assert (await diagnose(there.staging, None)).diagnosis
    assert (await diagnose(there.staging, 2)).diagnosis


async def read_logs(there: Scene) -> None:
    await freely(there.account.cloud.guard, there.staging.deploy(await there.account.image(SICK), there.tell))
    assert (await logs.of_deployment(there.staging, 1)).lines
    await there.under_way()
    assert (await logs.recent(there.staging, timedelta(hours=1))).lines


async def keep_secrets(there: Scene) -> None:
    """Set the secret that the settings name, and make one that they lack, twice."""
    assert not (await secrets(there.staging)).missing
    assert not (await set_secret(there.staging, "URL", "new")).setting
    assert [(await set_secret(there.staging, "TOKEN", value)).setting for value in ("one", "two")]


async def inspect(there: Scene) -> None:
    """Run every check of a preflight; all pass, so slipway tries to start the release."""
    await there.released()
    tasks = replace(SETTINGS, environments={"staging": replace(STAGING, migration=TASK)})
    await there.account.ask("logs", "create_log_group", logGroupName=tasks.migration_log("staging"))
    hold(there.account, policy(scope_of(tasks, "staging"), ["preflight"]))
    found = await preflight(there.staging.aws, there.staging.spec(there.live), tasks)
    said = [check.found for branch in found.branches for check in branch.checks]
    if any("not authorized" in words for words in said):
        raise AssertionError("\n".join(said))


async def promote_from(there: Scene) -> None:
    """The reads of a promotion in the environment that it promotes from."""
    await there.released()
    await there.under_way()
    await there.staging.status()
    await there.settled()
    await there.staging.known_heads(await live_in(there.staging))


async def publish(there: Scene) -> None:
    """Push as an engine does, and read the result back."""
    url, login = await ecr.sign_in(there.staging.aws)
    async with opened_registry(url, "notes", login) as registry:
        digest = await registry.push(
            Artifact(kind="application/vnd.test", config=EMPTY, layers=(EMPTY,), annotations={})
        )
        await registry.manifest(digest)
        await registry.blob(EMPTY.digest)


Story = Callable[[Scene], Awaitable[None]]
# One story per verb.
STORIES: dict[str, Story] = {
    "plan": look,
    "status": situation,
    "history": history,
    "deploy": deploy,
    "diagnose": examine,
    "logs": read_logs,
    "secret": keep_secrets,
    "preflight": inspect,
    "rollback": back,
    "promote-from": promote_from,
    "pause": rest,
    "resume": wake,
    "destroy": end,
    "publish": publish,
}
# Actions that no call here needs, and which caller does.
UNSEEN = {
    "iam:CreateServiceLinkedRole": "by App Runner itself, at an account's first service",
    "apprunner:DescribeObservabilityConfiguration": "of a service whose settings name one",
    "ecs:DescribeExpressGatewayService": "of a service that calls another one",
}
# Actions whose denial a verb tolerates, and how.
DONE_WITHOUT = {
    "ecr:BatchCheckLayerAvailability": "what may be there is uploaded again",
    "ecr:BatchDeleteImage": "the lock is left, and taken over by the next deployment",
    "apprunner:ListTagsForResource": "whose the service is, is not looked at; a preflight says so",
    "logs:DescribeLogStreams": "every line counts as the deployment's own",
}


def actions_of(verb: str) -> set[str]:
    return {action for names in granted_to(verb).values() for action in names}


def granted_to(verb: str):
    return granted(PERMISSIONS[verb], SCOPE.grants)


def without(verb: str, action: str):
    left = {kind: tuple(each for each in found if each != action) for kind, found in granted_to(verb).items()}
    return narrowed({kind: found for kind, found in left.items() if found}, SCOPE)


async def refusal(verb: str, action: str) -> str:
    """Return the error of a verb when one action is denied."""
    async with scene() as there:
        hold(there.account, without(verb, action))
        try:
            await STORIES[verb](there)
        except (SlipwayError, AssertionError) as error:
            return str(within(error) or error)
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("verb", STORIES)
async def test_a_verb_works_under_exactly_its_policy_and_uses_all_of_it(verb):
    async with scene() as there:
        hold(there.account, policy(SCOPE, [verb]))
        await STORIES[verb](there)
        used = {permission.action for permission in there.account.cloud.guard.asked}
    assert used == actions_of(verb) - UNSEEN.keys()


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["plan", "deploy", "publish"])
async def test_the_error_names_the_action_that_is_denied(verb):
    lacking = {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"} if verb == "plan" else set()  # a note, or a check
    for action in sorted(actions_of(verb) - DONE_WITHOUT.keys() - UNSEEN.keys() - lacking):
        assert f"is not authorized to perform: {action} on resource" in await refusal(verb, action), action


async def test_a_job_that_may_read_no_ledger_plans_without_its_notes():
    async with scene() as there:
        hold(there.account, policy(SCOPE, ["plan-without-ledger"]))
        await look(there)


@pytest.mark.slow
async def test_a_promotion_reads_one_environment_and_changes_another():
    production = scope_of(SETTINGS, "production")
    async with scene() as there:
        there.live = await there.account.image()
        await there.account.create(there.live, "notes-staging")
        both = [policy(SCOPE, ["promote-from"]), policy(production, ["promote-to"])]
        statements = [statement for each in both for statement in each["Statement"]]
        hold(there.account, {"Statement": statements})
        await ended(promote(there.staging, there.production, there.tell), there)


async def test_a_denied_action_is_one_sentence_with_the_action_and_a_remedy():
    async with scene() as there:
        hold(there.account, without("plan", "apprunner:ListServices"))
        with pytest.raises(SlipwayError) as refused:
            await there.staging.plan(await there.account.image())
    assert "is not authorized to perform: apprunner:ListServices on resource: *" in refused.value.what
    assert refused.value.next_step == "give the deploy role this action"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("apprunner:DescribeService", "arn:aws:apprunner:eu-west-1:123456789012:service/notes-production/1"),
        ("apprunner:UpdateService", "arn:aws:apprunner:us-east-1:123456789012:service/notes-staging/1"),
        ("apprunner:DeleteService", "arn:aws:apprunner:eu-west-1:123456789012:service/notes-staging/1"),
        ("ecr:PutImage", "arn:aws:ecr:eu-west-1:123456789012:repository/notes-of-others"),
        ("logs:FilterLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/apprunner/notes/1/service"),
        ("secretsmanager:GetSecretValue", STAGING.secrets["URL"]),
        ("secretsmanager:DescribeSecret", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:others-aBcDeF"),
    ],
)
def test_a_deploy_role_reaches_nothing_but_its_own_environment_and_no_value_of_a_secret(action, resource):
    assert not allows(policy(SCOPE, DEPLOY_ROLE), Needed(action, resource))


@pytest.mark.parametrize("service", ["ec2.amazonaws.com", "lambda.amazonaws.com", "ecs-tasks.amazonaws.com", None])
def test_the_services_roles_can_be_passed_to_app_runner_only(service):
    for role in (STAGING.access_role, STAGING.instance_role):
        assert not allows(policy(SCOPE, DEPLOY_ROLE), Needed("iam:PassRole", role, service))
        assert allows(policy(SCOPE, DEPLOY_ROLE), Needed("iam:PassRole", role, "tasks.apprunner.amazonaws.com"))


def test_only_actions_without_a_resource_are_allowed_on_everything():
    anything = {action for verb in PERMISSIONS for action in granted_to(verb).get(ANY, ())}
    of_tasks = {action for verb in PERMISSIONS for action in granted_to(verb).get(ANY_TASK, ())}
    assert of_tasks == {"ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"}
    of_move = set(granted_to("move")[ANY]) - {"apprunner:ListServices"}
    assert anything - of_move == {"apprunner:ListServices", "ecr:GetAuthorizationToken", "ssm:DescribeParameters"}
    assert of_move == {
        *("acm:ListCertificates", "acm:RequestCertificate", "cloudwatch:GetMetricData"),
        *("elasticloadbalancing:DescribeListenerCertificates", "elasticloadbalancing:DescribeLoadBalancers"),
        *("elasticloadbalancing:DescribeRules", "route53:ListHostedZonesByName"),
    }
    assert all("*" not in action for verb in PERMISSIONS for action in actions_of(verb))


def test_a_migration_by_a_task_needs_permissions_only_where_a_task_migrates():
    assert policy(SCOPE, ["migrate-ecs-task"])["Statement"] == []
    role = "arn:aws:iam::123456789012:role/task"
    task = replace(TASK, execution_role=role)
    tasks = scope_of(replace(SETTINGS, environments={"staging": replace(STAGING, migration=task)}), "staging")
    allowed = policy(tasks, ["migrate-ecs-task"])
    run = Needed("ecs:RunTask", "arn:aws:ecs:eu-west-1:123456789012:task-definition/notes-staging-migration:7")
    assert allows(allowed, run)
    assert allows(allowed, Needed("iam:PassRole", role, "ecs-tasks.amazonaws.com"))


def test_a_secrets_value_can_be_read_only_where_slipway_connects_to_the_database():
    there = SETTINGS.environment("staging")
    direct = replace(
        there, migration=settings.MigrationRunner(runner=settings.RunnerKind.DIRECT), secrets={"DATABASE_URL": URL}
    )
    scope = scope_of(replace(SETTINGS, environments={"staging": direct}), "staging")
    read = Needed("secretsmanager:GetSecretValue", URL.removesuffix(":url::"))
    assert allows(policy(scope, DEPLOY_ROLE), read)
    assert not allows(policy(SCOPE, DEPLOY_ROLE), read)


def test_a_policy_fits_into_a_role():
    assert len(str(policy(SCOPE, DEPLOY_ROLE))) < 10_240  # all inline policies of a role together (IAM's quotas)


def test_actions_are_merged_by_resource_without_duplicates():
    both = merged([{REPOSITORY: ("b", "a")}, {REPOSITORY: ("a",), ANY: ("c",)}])
    assert list(both.items()) == [(ANY, ("c",)), (REPOSITORY, ("a", "b"))]


def test_every_right_is_granted_by_the_target_or_beside_it_and_every_right_is_used():
    assert {permission for permissions in PERMISSIONS.values() for permission in permissions} == set(Permission)
    assert SHARED.keys() | SCOPE.grants.keys() == set(Permission)


def test_an_unknown_verb_is_refused_with_the_known_ones():
    with pytest.raises(BadInputError, match=r"there is no command 'deplyo'.*deploy, rollback"):
        policy(SCOPE, ["deplyo"])
