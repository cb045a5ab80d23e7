"""Input that cannot work is refused with one sentence, before any call that changes something."""

import json
import re
from dataclasses import replace

import pytest

from slipway.errors import RefusedError, SlipwayError
from slipway.oci.artifact import INDEX, TREE
from slipway.records.checks import PreflightResult
from slipway.records.outcome import Status
from slipway.records.plan import Action, FieldChange
from slipway.release.aws.ecr import EcrStore
from slipway.release.engine.goal import Live
from slipway.release.engine.plan import plan
from slipway.release.engine.run import reach
from slipway.release.preflight import quota
from slipway.release.preflight.checking import preflight, refuse
from slipway.release.targets.supported import TARGETS
from slipway.settings import TargetKind
from slipway.simulator.contract import Quotas
from slipway.simulator.faults import Effect, Fault
from slipway.simulator.iam import trusting
from tests.release.desired import MUTATING, SCALING, Telling, aws_of, choosing, deployed, engine_of, spec, target_of
from tests.release.direct import opened
from tests.simulator.account import INSTANCE_ROLE, REGION, ROLE
from tests.simulator.scripted import Script

ABSENT = "sha256:" + "0" * 64
SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:token-AbCdEf"
PARAMETER = f"arn:aws:ssm:{REGION}:123456789012:parameter/team/token"
BUILD = "build.apprunner.amazonaws.com"


@pytest.fixture
async def account():
    async with opened(secrets={SECRET: "hunter2", PARAMETER: "hunter2"}) as account:
        yield account


async def checked(account, wanted):
    """A preflight that changes nothing."""
    before = len(account.cloud.requests)
    found = await preflight(aws_of(account), wanted, {**TARGETS[TargetKind.APP_RUNNER].checkers, **quota.CHECKERS})
    changes = [request for request in account.cloud.requests[before:] if request.startswith(MUTATING)]
    assert changes == []
    return found


async def refusal(account, wanted):
    """The one sentence, and the remedy."""
    with pytest.raises(RefusedError) as refused:
        refuse(await checked(account, wanted))
    assert str(refused.value).isprintable()
    return re.sub(r"; \w+ is unchanged$", "", refused.value.what), refused.value.next_step


def seen(found):
    return {check.subject: check for branch in found.branches for check in branch.checks}


async def put(account, manifest, media_type=INDEX):
    text = json.dumps(manifest)
    repository = account.cloud.store.repositories["notes"]
    return repository.put_manifest(text.encode(), media_type, account.cloud.clock.now())


async def test_good_input_is_ok_and_the_rest_is_not_covered(account):
    await account.ask("ssm", "put_parameter", Name="flat", Value="x", Type="String")
    flat = PARAMETER.replace("team/token", "flat")
    named = {"TOKEN": SECRET, "URL": PARAMETER, "FLAT": flat}
    found = await checked(account, spec(await account.image(), instance_role=INSTANCE_ROLE, secrets=named))
    refuse(found)
    well = {subject for subject, check in seen(found).items() if check.verdict is PreflightResult.OK}
    assert well == {
        "account",
        "digest",
        "platform",
        "tags",
        "access role",
        "instance role",
        "TOKEN",
        "URL",
        "FLAT",
        "images",
        "ledger",
    }
    assert {check.subject for check in found.not_covered} == {"release", "permissions", "quotas", "size", "values"}
    assert "hunter2" not in repr(found)
    assert not {"GetSecretValue", "GetParameter", "GetParameters"}.intersection(account.cloud.requests)


async def test_an_image_that_is_not_there(account):
    said, remedy = await refusal(account, spec(ABSENT))
    assert said == f"the repository notes has no image {ABSENT}"
    assert "push it first" in remedy


async def test_a_repository_that_is_not_there(account):
    image = replace(spec().image, repository=f"123456789012.dkr.ecr.{REGION}.amazonaws.com/other")
    said, _ = await refusal(account, replace(spec(), image=image))
    assert said == "there is no repository other"


async def test_an_image_for_another_architecture(account):
    said, remedy = await refusal(account, spec(await account.image(architecture="arm64")))
    assert said == "the image is for linux/arm64, and the platform runs linux/amd64 only"
    assert "--platform linux/amd64" in remedy


async def test_an_image_index(account):
    inner = await account.image()
    entries = [{"digest": inner, "platform": {"os": "linux", "architecture": "amd64"}}]
    said, remedy = await refusal(account, spec(await put(account, {"manifests": entries})))
    assert "is an image index, not the manifest of one platform" in said
    assert remedy.endswith(f"amazonaws.com/notes@{inner}")


async def test_an_artifact_that_is_no_image(account):
    said, _ = await refusal(account, spec(await put(account, {"artifactType": "application/sbom\x1b[31m"})))
    assert said.endswith("is an artifact of application/sbom, not an image")


async def test_a_source_tree_is_named_as_one(account):
    found = seen(await checked(account, spec(await put(account, {"artifactType": TREE}))))["platform"]
    assert (found.verdict, "it is a source tree" in found.found) == (PreflightResult.NOT_COVERED, True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "LayersNotFoundException"),
        (b"x" * (5 * 1024 * 1024), "it is larger than 4194304 bytes"),
        (b"something else", "the download has another digest"),
    ],
    ids=["absent", "large", "another"],
)
async def test_a_config_that_cannot_be_read_is_not_covered(account, content, said):
    digest = await account.image()
    repository = account.cloud.store.repositories["notes"]
    (config,) = repository.blobs
    repository.blobs.pop(config)
    if content is not None:
        repository.blobs[config] = content
    found = seen(await checked(account, spec(digest)))["platform"]
    assert (found.verdict, said in found.found) == (PreflightResult.NOT_COVERED, True)


async def test_a_config_of_nonsense_says_nothing(account):
    repository = account.cloud.store.repositories["notes"]
    config = repository.put_blob(b"[" * 100_000)
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config}
    found = seen(await checked(account, spec(await put(account, {"config": described}))))["platform"]
    assert found.found == "its config names no platform"


async def test_credentials_of_another_account_than_a_simulated_one_are_not_covered(account):
    image = replace(spec().image, repository=f"999999999999.dkr.ecr.{REGION}.amazonaws.com/notes")
    scaling = SCALING.replace("123456789012", "999999999999")
    theirs = spec(image=replace(image, digest=await account.image()), open=choosing(auto_scaling=scaling))
    found = await checked(account, replace(theirs, access_role="arn:aws:iam::999999999999:role/notes-access"))
    assert found.refusals == ()
    assert {"account", "access role"} <= {check.subject for check in found.not_covered}


async def test_tags_that_can_be_overwritten(account):
    account.cloud.store.repositories["notes-ledger-staging"].immutable = False
    said, remedy = await refusal(account, spec(await account.image()))
    assert "can be overwritten" in said
    assert "put-image-tag-mutability" in remedy


async def test_an_environment_without_a_ledger(account):
    del account.cloud.store.repositories["notes-ledger-staging"]
    said, remedy = await refusal(account, spec(await account.image()))
    assert "no repository notes-ledger-staging" in said
    assert "slipway bootstrap" in remedy


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("arn:aws:iam::123456789012:role/absent", "there is no role arn:aws:iam::123456789012:role/absent"),
        ("arn:aws:iam::123456789012:role/x/notes-access", f"; the one of that name is {ROLE}"),
        ("arn:aws:iam::999999999999:role/notes-access", "is of another account than staging"),
        ("arn:aws:iam::123456789012:user/somebody", "is not the ARN of a role"),
    ],
)
async def test_a_role_that_is_missing(account, role, said):
    assert said in (await refusal(account, spec(await account.image(), access_role=role)))[0]


async def test_a_role_that_trusts_another_service(account):
    account.cloud.iam.put(ROLE, trusting("ecs-tasks.amazonaws.com"))
    said, remedy = await refusal(account, spec(await account.image()))
    assert said == f"the role {ROLE} does not trust {BUILD}"
    assert "update-assume-role-policy" in remedy


async def test_a_role_that_is_not_ready_yet_is_waited_for(account):
    policy = trusting(BUILD)
    await account.ask("iam", "create_role", RoleName="new", AssumeRolePolicyDocument=policy)
    wanted = spec(await account.image(), access_role="arn:aws:iam::123456789012:role/new")
    assert "a deployment waits until the platform knows it" in seen(await checked(account, wanted))["access role"].found
    done = await deployed(account, wanted)
    assert done.outcome.status is Status.SUCCEEDED
    assert any("waiting: App Runner cannot use the role yet" in line for line in done.told)
    assert done.requests.count("CreateService") > 10


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (SECRET[:-1] + "g", f"there is no secret {SECRET[:-1]}g"),
        (PARAMETER + "s", f"there is no parameter {PARAMETER}s"),
        (PARAMETER.replace("123456789012", "999999999999"), "the platform reads parameters of its own account only"),
        (f"arn:aws:s3:{REGION}:123456789012:bucket", "is of s3, which does not store secrets"),
        ("arn:nonsense", "'arn:nonsense' is not an ARN"),
    ],
)
async def test_a_secret_that_does_not_exist(account, reference, said):
    wanted = spec(await account.image(), instance_role=INSTANCE_ROLE, secrets={"TOKEN": reference})
    assert said in (await refusal(account, wanted))[0]


@pytest.mark.parametrize(
    "reference",
    [
        SECRET.replace("123456789012", "999999999999"),
        SECRET.replace(REGION, "us-east-1"),
        PARAMETER.replace(REGION, "us-east-1"),
        f"{SECRET}:password::",
    ],
)
async def test_a_secret_that_cannot_be_looked_at_from_here_is_not_covered(account, reference):
    wanted = spec(await account.image(), instance_role=INSTANCE_ROLE, secrets={"TOKEN": reference})
    found = await checked(account, wanted)
    assert found.refusals == ()
    assert seen(found)["TOKEN"].verdict is PreflightResult.NOT_COVERED


async def test_a_secret_that_is_scheduled_for_deletion(account):
    await account.ask("secretsmanager", "delete_secret", SecretId=SECRET)
    wanted = spec(await account.image(), instance_role=INSTANCE_ROLE, secrets={"TOKEN": SECRET})
    said, remedy = await refusal(account, wanted)
    assert f"the secret {SECRET} is scheduled for deletion on 20" in said
    assert remedy == f"aws secretsmanager restore-secret --secret-id {SECRET}"


async def test_secrets_without_a_role_that_could_read_them(account):
    said, remedy = await refusal(account, spec(await account.image(), secrets={"TOKEN": SECRET}))
    assert said == "secrets are read with the instance role, and staging has none"
    assert "instance-role" in remedy


async def test_a_vpc_connector_an_auto_scaling_and_a_tracing_that_are_gone(account):
    connector = await account.ask("apprunner", "create_vpc_connector", VpcConnectorName="vpc1", Subnets=["subnet-1"])
    scaling = await account.ask("apprunner", "create_auto_scaling_configuration", AutoScalingConfigurationName="small")
    tracing = await account.ask(
        "apprunner", "create_observability_configuration", ObservabilityConfigurationName="xray"
    )
    arns = {
        "egress": connector["VpcConnector"]["VpcConnectorArn"],
        "auto_scaling": scaling["AutoScalingConfiguration"]["AutoScalingConfigurationArn"],
        "tracing": tracing["ObservabilityConfiguration"]["ObservabilityConfigurationArn"],
    }
    wanted = spec(await account.image(), open=choosing(**arns))
    there = seen(await checked(account, wanted))
    assert {there[part].verdict for part in ("VPC connector", "auto scaling", "tracing")} == {PreflightResult.OK}
    assert "security groups" in there["network"].found
    await account.ask("apprunner", "delete_vpc_connector", VpcConnectorArn=arns["egress"])
    said, _ = await refusal(account, wanted)
    assert said == f"the VPC connector {arns['egress']} is INACTIVE"
    for part, subject in (("auto_scaling", "auto scaling"), ("tracing", "tracing")):
        absent = replace(wanted, open=choosing(**{part: _other(arns[part])}))
        assert f"there is no {subject}" in (await refusal(account, absent))[0]
    away = replace(wanted, open=choosing(egress=arns["egress"].replace(REGION, "us-east-1")))
    assert "is in us-east-1, not in eu-west-1" in (await refusal(account, away))[0]


async def test_a_service_that_something_else_has_made(account):
    digest = await account.image()
    arn = await account.create(digest)
    said, remedy = await refusal(account, spec(digest))
    assert said == "the service notes was not made by slipway"
    adopt = f"aws apprunner tag-resource --resource-arn {arn} --tags Key=slipway:environment,Value=staging"
    assert remedy == f"to adopt it: {adopt}"
    await account.ask(
        "apprunner", "tag_resource", ResourceArn=arn, Tags=[{"Key": "slipway:environment", "Value": "staging"}]
    )
    refuse(await checked(account, spec(digest)))
    said, _ = await refusal(account, spec(digest, environment="production"))
    assert said == "the service notes belongs to the environment staging, not to production"


async def test_automatic_deployments_that_were_switched_on_by_hand_are_drift(account):
    digest = await account.image()
    await deployed(account, spec(digest))
    (service,) = account.cloud.app_runner.services.values()
    source = (await account.described(service.arn))["SourceConfiguration"] | {"AutoDeploymentsEnabled": True}
    await account.update(service.arn, SourceConfiguration=source)
    made = plan(spec(digest), await target_of(account).observe())
    assert made.changes == (FieldChange("automatic deployments", "true", "false"),)
    assert (await deployed(account, spec(digest))).outcome.status is Status.SUCCEEDED
    assert service.configuration["SourceConfiguration"]["AutoDeploymentsEnabled"] is False


async def test_a_failed_creation_is_rebuilt(account):
    await deployed(account, spec(await account.image(Script(healthy=False))))
    wanted = spec(await account.image())
    refuse(await checked(account, wanted))
    assert plan(wanted, await target_of(account).observe()).action is Action.REBUILD
    assert (await deployed(account, wanted)).outcome.status is Status.SUCCEEDED
    assert len(account.cloud.app_runner.services) == 1


async def test_a_paused_service_is_not_changed(account):
    await deployed(account, spec(await account.image()))
    (service,) = account.cloud.app_runner.services.values()
    await account.ask("apprunner", "pause_service", ServiceArn=service.arn)
    await account.settled(service.arn)
    wanted, before = spec(await account.image()), len(account.cloud.requests)
    with pytest.raises(RefusedError, match="notes cannot be deployed now: the service is paused"):
        await reach(engine_of(account, Telling()), Live(spec=wanted))
    assert not [request for request in account.cloud.requests[before:] if request.startswith(MUTATING)]


async def test_a_deleted_service_can_be_created_again(account):
    await deployed(account, spec(await account.image()))
    (service,) = account.cloud.app_runner.services.values()
    await account.ask("apprunner", "delete_service", ServiceArn=service.arn)
    await account.settled(service.arn)
    wanted = spec(await account.image())
    refuse(await checked(account, wanted))
    assert (await deployed(account, wanted)).outcome.status is Status.SUCCEEDED


async def test_a_wrong_clock_ends_the_preflight(account):
    wanted = spec(await account.image())
    for operation in ("BatchGetImage", "GetRole", "DescribeRepositories", "ListServices"):
        account.cloud.faults.add(Fault(operation=operation, effect=Effect.CLOCK_SKEW))
        await ends_with_the_clock(account, wanted)


async def ends_with_the_clock(account, wanted):
    with pytest.raises(SlipwayError, match=r"Signature expired.*: set this machine's clock"):
        await preflight(aws_of(account), wanted, TARGETS[TargetKind.APP_RUNNER].checkers)


async def test_a_clock_that_is_wrong_changes_nothing(account):
    wanted, before = spec(await account.image()), len(account.cloud.requests)
    account.cloud.faults.add(Fault(operation="ListServices", effect=Effect.CLOCK_SKEW))
    with pytest.raises(SlipwayError, match="set this machine's clock"):
        await reach(engine_of(account, Telling()), Live(spec=wanted))
    assert account.cloud.requests[before:] == ["ListServices"]


@pytest.mark.parametrize("effect", [Effect.DENIED, Effect.THROTTLED, Effect.CALL_LOST])
async def test_a_check_that_is_denied_or_gets_no_answer_is_not_covered(account, effect):
    named = {"TOKEN": SECRET, "URL": PARAMETER}
    wanted = spec(await account.image(), instance_role=INSTANCE_ROLE, secrets=named)
    await deployed(account, wanted)
    for operation, subject in _LOOKS.items():
        account.cloud.faults.add(Fault(operation=operation, effect=effect, times=99))
        found = await checked(account, wanted)
        account.cloud.faults.clear()
        assert found.refusals == ()
        assert seen(found)[subject].verdict is PreflightResult.NOT_COVERED, operation


_LOOKS = {
    "GetCallerIdentity": "account",
    "BatchGetImage": "image",
    "GetDownloadUrlForLayer": "platform",
    "DescribeRepositories": "tags",
    "ListImages": "images",
    "GetRole": "access role",
    "DescribeSecret": "TOKEN",
    "DescribeParameters": "parameters",
    "ListTagsForResource": "service",
}


@pytest.mark.parametrize(("subject", "repository"), [("images", "notes"), ("ledger", "notes-ledger-staging")])
async def test_a_repository_that_is_almost_full_is_named_with_the_way_to_a_higher_quota(
    account, monkeypatch, subject, repository
):
    assert Quotas().images == quota.MOST
    wanted = spec(await account.image())
    monkeypatch.setattr(quota, "MOST", 20)
    store = EcrStore(aws_of(account), repository)
    there = account.cloud.store.repositories[repository]
    while len(there.manifests) < 18:
        assert await store.put(f"record.{len(there.manifests)}", str(len(there.manifests)))
    assert seen(await checked(account, wanted))[subject].verdict is PreflightResult.OK
    assert await store.put("same.image", "17")  # a second tag of an image counts once
    assert seen(await checked(account, wanted))[subject].verdict is PreflightResult.OK
    assert await store.put("another.image", "another")
    found = await checked(account, wanted)
    refuse(found)
    assert seen(found)[subject].verdict is PreflightResult.NOT_COVERED
    assert f"images in {repository}: 19, and ECR's default quota is 20; " in seen(found)[subject].found
    assert seen(found)[subject].found.endswith("--quota-code L-03A36CE1 --desired-value 40")
    assert ("delete" in seen(found)[subject].found) == (subject == "images")


async def test_a_throttled_call_is_retried(account):
    wanted = spec(await account.image())
    account.cloud.faults.add(Fault(operation="GetRole", effect=Effect.THROTTLED, times=3))
    assert seen(await checked(account, wanted))["access role"].verdict is PreflightResult.OK
    assert account.cloud.requests.count("GetRole") == 4


async def test_several_refusals_are_one_sentence(account):
    wanted = spec(ABSENT, access_role="arn:aws:iam::123456789012:role/absent")
    assert "(and 1 more: `slipway preflight --environment staging --image " in (await refusal(account, wanted))[0]


async def test_nothing_is_started_when_something_is_refused(account):
    async def boot():
        raise AssertionError

    found = await preflight(aws_of(account), spec(ABSENT), TARGETS[TargetKind.APP_RUNNER].checkers, boot)
    assert seen(found)["release"].verdict is PreflightResult.NOT_COVERED


async def test_a_preflight_takes_few_calls_and_little_time(account):
    wanted, before = spec(await account.image()), len(account.cloud.requests)
    found = await checked(account, wanted)
    assert len(account.cloud.requests[before:]) <= 8
    assert found.seconds < 5


def _other(arn: str) -> str:
    """An ARN of the same form that nothing has."""
    return arn[:-1] + ("1" if arn.endswith("0") else "0")
