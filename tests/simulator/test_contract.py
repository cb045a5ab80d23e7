import json
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from slipway.oci.artifact import digest_of
from slipway.simulator.contract import SERVICES, find_operation, message_member, problems, service
from tests.simulator.account import ROLE, UNCHANGED, Account, amiss, asked
from tests.simulator.express import created, trust, wanted
from tests.simulator.raw import ask_raw
from tests.simulator.tasks import definition, run

Ask = Callable[..., Awaitable[dict[str, Any]]]
SHARED = (
    ("AutoScalingConfiguration", "AutoScalingConfigurations", {"MaxSize": 3}),
    ("VpcConnector", "VpcConnectors", {"Subnets": ["subnet-1"]}),
    ("ObservabilityConfiguration", "ObservabilityConfigurations", {"TraceConfiguration": {"Vendor": "AWSXRAY"}}),
)
_RULE = {
    "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 9},
    "action": {"type": "expire"},
}
LIFECYCLE = json.dumps({"rules": [{"rulePriority": 1, "description": "the newest nine", **_RULE}]})
SERVICE = {"ServiceName": "notes", **asked("sha256:" + "0" * 64)}


def complaints(request: dict[str, Any], operation: str = "CreateService", of: str = "apprunner") -> str:
    return "; ".join(problems(service(of).operation_model(operation).input_shape, request))


def target_of(name: str, operation: str) -> str:
    return f"{service(name).metadata['targetPrefix']}.{operation}"


def test_a_request_that_fits_has_no_problems():
    assert complaints(SERVICE) == ""


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"ServiceName": 7}, "Invalid type for parameter ServiceName"),
        ({"Unknown": 1}, "Unknown parameter in input"),
        ({"SourceConfiguration": {"AutoDeploymentsEnabled": "false"}}, "Invalid type"),
        ({"ServiceName": "abc"}, "Invalid length for parameter ServiceName"),
        (
            {"ServiceName": "a" * 41},
            "'ServiceName' failed to satisfy constraint: Member must have length less than or equal to 40",
        ),
        ({"ServiceName": "with space"}, "Member must satisfy regular expression pattern"),
        (
            {"HealthCheckConfiguration": {"Interval": 0}},
            "HealthCheckConfiguration.Interval, value: 0, valid min value: 1",
        ),
        ({"HealthCheckConfiguration": {"Interval": 20}}, ""),
        ({"HealthCheckConfiguration": {"Interval": 21}}, "value less than or equal to 20"),
        ({"HealthCheckConfiguration": {"Protocol": "http"}}, "Member must satisfy enum value set: [TCP, HTTP]"),
        ({"Tags": [{"Key": "a" * 129, "Value": ""}]}, "'Tags.1.member.Key'"),
        ({"InstanceConfiguration": {"InstanceRoleArn": ROLE + "\n"}}, "regular expression pattern"),
    ],
)
def test_a_request_that_does_not_fit_is_reported_with_place_and_reason(parts, complaint):
    found = complaints(SERVICE | parts)
    assert complaint in found
    assert bool(found) is bool(complaint)


def test_a_missing_parameter_is_reported():
    assert 'Missing required parameter in input: "ServiceName"' in complaints(asked("sha256:" + "0" * 64))


def test_values_of_maps_are_looked_at():
    request = {"ServiceName": "notes", **asked("sha256:" + "0" * 64, RuntimeEnvironmentVariables={"A": "x" * 51201})}
    assert "RuntimeEnvironmentVariables.A" in complaints(request)


def by_target(target):
    prefix, _, operation = target.partition(".")
    return find_operation(SERVICES, operation, "targetPrefix", prefix)


def test_an_operation_is_found_by_its_target():
    operation = by_target("AppRunner.CreateService")
    assert (operation.name, operation.service_model.service_name) == ("CreateService", "apprunner")
    assert {target_of(name, "x").partition(".")[0] for name in SERVICES} == {
        "AppRunner",
        "AmazonEC2ContainerRegistry_V20150921",
        "AmazonEC2ContainerServiceV20141113",
        "Logs_20140328",
        "secretsmanager",
        "AmazonSSM",
        "GraniteServiceVersion20100801",
        "CertificateManager",
        "ServiceQuotasV20190624",
    }


@pytest.mark.parametrize(
    "target", ["", "AppRunner", "AppRunner.Nothing", "DynamoDB_20120810.GetItem", ".CreateService"]
)
def test_what_no_service_here_has_is_not_found(target):
    assert by_target(target) is None


def test_a_message_is_called_as_the_service_calls_it():
    assert message_member(by_target("AppRunner.CreateService"), "InvalidRequestException") == "Message"
    ecr = by_target(target_of("ecr", "DescribeImages"))
    assert message_member(ecr, "ImageNotFoundException") == "message"
    assert message_member(ecr, "NotInTheModelException") == "message"


def test_the_models_are_those_of_the_installed_botocore():
    assert {name: service(name).service_name for name in SERVICES} == {name: name for name in SERVICES}


def test_the_model_contradicts_itself_on_the_id_of_a_service():
    """When it no longer does, `UNSATISFIABLE` can go."""
    metadata = service("apprunner").shape_for("Service").members["ServiceId"].metadata
    assert metadata["max"] == 32
    assert not re.fullmatch(metadata["pattern"], "0" * 32)


async def ask_of_shared(ask: Ask) -> None:
    for noun, listed, facts in SHARED:
        made = (await ask("apprunner", f"Create{noun}", **{f"{noun}Name": "small"}, **facts))[noun]
        named = {f"{noun}Arn": made[f"{noun}Arn"]}
        await ask("apprunner", f"Describe{noun}", **named)
        await ask("apprunner", f"List{listed}")
        await ask("apprunner", f"Delete{noun}", **named)


async def ask_of_secrets(ask: Ask) -> str:
    """Returns the ARN of an existing secret."""
    arn = (await ask("secretsmanager", "CreateSecret", Name="token", SecretString="hunter2"))["ARN"]
    await ask("secretsmanager", "DescribeSecret", SecretId="token")
    await ask("secretsmanager", "GetSecretValue", SecretId="token")
    await ask("secretsmanager", "PutSecretValue", SecretId="token", SecretString="hunter3", ClientRequestToken="t" * 32)
    await ask("secretsmanager", "DeleteSecret", SecretId="token")
    await ask("secretsmanager", "DescribeSecret", SecretId="token")
    await ask("secretsmanager", "ListSecrets", IncludePlannedDeletion=True)
    await ask("secretsmanager", "RestoreSecret", SecretId="token")

    await ask("ssm", "PutParameter", Name="/team/url", Value="hunter2", Type="SecureString")
    await ask("ssm", "GetParameter", Name="/team/url", WithDecryption=True)
    await ask("ssm", "GetParameters", Names=["/team/url", "absent"])
    await ask("ssm", "DescribeParameters")
    await ask("ssm", "DeleteParameter", Name="/team/url")
    return str(arn)


async def ask_of_ecr(ask: Ask) -> None:
    await ask("ecr", "GetAuthorizationToken")
    made = await ask("ecr", "CreateRepository", repositoryName="team/notes", tags=[{"Key": "team", "Value": "notes"}])
    await ask("ecr", "ListTagsForResource", resourceArn=made["repository"]["repositoryArn"])
    await ask("ecr", "DescribeRepositories")
    named = {"repositoryName": "team/notes"}
    filters = [{"filterType": "WILDCARD", "filter": "latest*"}]
    excluded = {"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION", "imageTagMutabilityExclusionFilters": filters}
    await ask("ecr", "PutImageTagMutability", **named, **excluded)
    await ask("ecr", "PutLifecyclePolicy", **named, lifecyclePolicyText=LIFECYCLE)
    await ask("ecr", "GetLifecyclePolicy", **named)
    await ask("ecr", "DeleteLifecyclePolicy", **named)
    await ask("ecr", "PutImage", repositoryName="team/notes", imageManifest='{"a": 1}', imageTag="v1")
    await ask("ecr", "DescribeImages", repositoryName="team/notes")
    await ask("ecr", "BatchGetImage", repositoryName="team/notes", imageIds=[{"imageTag": "v1"}, {"imageTag": "v2"}])

    await ask("ecr", "ListImages", repositoryName="team/notes")
    upload = {"repositoryName": "team/notes"}
    upload |= {"uploadId": (await ask("ecr", "InitiateLayerUpload", **upload))["uploadId"]}
    await ask("ecr", "UploadLayerPart", **upload, partFirstByte=0, partLastByte=1, layerPartBlob="e30=")
    await ask("ecr", "CompleteLayerUpload", **upload, layerDigests=[digest_of(b"{}")])
    await ask("ecr", "GetDownloadUrlForLayer", repositoryName="team/notes", layerDigest=digest_of(b"{}"))
    layers = [digest_of(b"{}"), digest_of(b"absent"), "none"]
    await ask("ecr", "BatchCheckLayerAvailability", repositoryName="team/notes", layerDigests=layers)
    identities = [{"imageTag": "v1"}, {"imageTag": "v2"}]
    await ask("ecr", "BatchDeleteImage", repositoryName="team/notes", imageIds=identities)
    await ask("ecr", "DeleteRepository", repositoryName="team/notes", force=True)


async def ask_of_ecs(ask: Ask, digest: str) -> None:
    await ask("ecs", "CreateCluster", clusterName="jobs")
    await ask("ecs", "CreateCluster", clusterName="others")
    await ask("ecs", "DeleteCluster", cluster="others")
    tags = [{"key": "of a team", "value": "notes"}]
    await ask("ecs", "RegisterTaskDefinition", **definition(digest), tags=tags)
    await ask("ecs", "DescribeTaskDefinition", taskDefinition="migration", include=["TAGS"])
    await ask("ecs", "ListTaskDefinitions")
    begun = await ask("ecs", "RunTask", cluster="jobs", **run(), tags=tags)
    arn = begun["tasks"][0]["taskArn"]
    await ask("ecs", "ListTasks", cluster="jobs")
    await ask("ecs", "DescribeTasks", cluster="jobs", tasks=[arn, "absent"], include=["TAGS"])
    await ask("ecs", "StopTask", cluster="jobs", task=arn)
    await ask("ecs", "DeregisterTaskDefinition", taskDefinition="migration:1")


async def ask_of_express(ask: Ask, digest: str) -> None:
    made = await ask(
        "ecs", "CreateExpressGatewayService", **created("notes", digest), tags=[{"key": "a", "value": "b"}]
    )
    arn = made["service"]["serviceArn"]
    await ask("ecs", "UpdateExpressGatewayService", serviceArn=arn, **wanted(digest, cpu="512", memory="1024"))
    await ask("ecs", "DescribeExpressGatewayService", serviceArn=arn, include=["TAGS"])
    listed = (await ask("ecs", "ListServiceDeployments", service="notes", maxResults=1))["serviceDeployments"][0]
    deployment, revision = listed["serviceDeploymentArn"], listed["targetServiceRevisionArn"]
    await ask("ecs", "DescribeServiceDeployments", serviceDeploymentArns=[deployment, "absent"])
    await ask("ecs", "DescribeServiceRevisions", serviceRevisionArns=[revision, "absent"])
    await ask("ecs", "StopServiceDeployment", serviceDeploymentArn=deployment)
    await ask("ecs", "DescribeServiceDeployments", serviceDeploymentArns=[deployment])
    await ask("ecs", "DescribeServices", services=["notes", "absent"], include=["TAGS"])
    await ask("ecs", "ListServices")
    await ask("ecs", "TagResource", resourceArn=arn, tags=[{"key": "team", "value": "notes"}])
    await ask("ecs", "ListTagsForResource", resourceArn=arn)
    await ask("ecs", "UntagResource", resourceArn=arn, tagKeys=["team"])
    await ask("cloudwatch", "DescribeAlarms")
    await ask("ecs", "DescribeClusters", clusters=["default", "absent"])
    await ask("service-quotas", "GetServiceQuota", ServiceCode="ecs", QuotaCode="L-9EF96962")
    await ask("service-quotas", "ListServiceQuotas", ServiceCode="ecs")
    await ask("ecs", "DeleteExpressGatewayService", serviceArn=arn)


async def ask_of_certificates(ask: Ask, account: Account) -> None:
    request = {"DomainName": "notes.example.com", "ValidationMethod": "DNS"}
    arn = (await ask("acm", "RequestCertificate", **request))["CertificateArn"]
    for seconds in (0, 6):
        await account.cloud.clock.sleep(seconds)
        await ask("acm", "DescribeCertificate", CertificateArn=arn)
    account.cloud.certificates.proven.add("notes.example.com")
    await account.cloud.clock.sleep(60)
    await ask("acm", "ListCertificates")
    await ask("acm", "DescribeCertificate", CertificateArn=arn)


async def test_every_answer_of_every_operation_has_the_form_that_aws_promises(account):
    """Compares the bytes on the wire, because boto3 drops unknown members."""
    answers: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)

    async def ask(name: str, operation: str, **request: Any) -> dict[str, Any]:
        status, answer = await ask_raw(account.cloud.url, target_of(name, operation), request)
        assert status == 200, answer
        answers[name, operation].append(answer)
        return answer

    await ask_of_ecr(ask)
    secret = await ask_of_secrets(ask)
    settings = {"RuntimeEnvironmentSecrets": {"TOKEN": secret}, "RuntimeEnvironmentVariables": {"A": "b"}}
    digest = await account.image()
    begun = await ask("apprunner", "CreateService", ServiceName="notes", **asked(digest, **settings))
    arn = begun["Service"]["ServiceArn"]
    await ask("apprunner", "ListOperations", ServiceArn=arn, MaxResults=1)
    await account.settled(arn)
    await ask("apprunner", "UpdateService", ServiceArn=arn, **asked(await account.image(), **settings))
    await account.settled(arn)
    await ask("apprunner", "ListOperations", ServiceArn=arn, MaxResults=1)
    await ask("apprunner", "ListOperations", ServiceArn=arn)
    await ask("apprunner", "ListServices")
    unchanged = await ask("apprunner", "UpdateService", ServiceArn=arn)
    for operation in ("StartDeployment", "PauseService", "ResumeService"):
        await ask("apprunner", operation, ServiceArn=arn)
        await account.settled(arn)
    await ask("apprunner", "TagResource", ResourceArn=arn, Tags=[{"Key": "team", "Value": "notes"}])
    await ask("apprunner", "ListTagsForResource", ResourceArn=arn)
    await ask("apprunner", "UntagResource", ResourceArn=arn, TagKeys=["team"])
    for operation in ("AssociateCustomDomain", "DisassociateCustomDomain"):
        await ask("apprunner", operation, ServiceArn=arn, DomainName="notes.example.com")
        await ask("apprunner", "DescribeCustomDomains", ServiceArn=arn)
    await ask_of_shared(ask)
    await ask("apprunner", "DeleteService", ServiceArn=arn)
    await account.settled(arn)
    await ask("apprunner", "DescribeService", ServiceArn=arn)

    await ask_of_ecs(ask, digest)
    trust(account)
    await ask_of_express(ask, digest)

    await ask_of_certificates(ask, account)
    metric = {"Namespace": "AWS/AppRunner", "MetricName": "Requests"}
    query = {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    await ask("cloudwatch", "GetMetricData", MetricDataQueries=[query], StartTime=0, EndTime=60)
    await ask("logs", "CreateLogGroup", logGroupName="/empty")
    await ask("logs", "PutRetentionPolicy", logGroupName="/empty", retentionInDays=30)
    await ask("logs", "DeleteRetentionPolicy", logGroupName="/empty")
    (group,) = (await ask("logs", "DescribeLogGroups", logGroupNamePrefix="/aws/apprunner"))["logGroups"]
    await ask("logs", "DescribeLogStreams", logGroupName=group["logGroupName"])
    await ask("logs", "GetLogEvents", logGroupName=group["logGroupName"], logStreamName="events")
    await ask("logs", "FilterLogEvents", logGroupName=group["logGroupName"], limit=1)
    await ask("logs", "DeleteLogGroup", logGroupName=group["logGroupName"])

    assert set(answers) == {(name, operation) for name in SERVICES for operation in account.cloud.operations[name]}
    for (name, operation), given in answers.items():
        shape = service(name).operation_model(operation).output_shape
        for answer in given:
            assert amiss(shape, answer) == ([UNCHANGED] if answer is unchanged else []), (name, operation)
