"""One story per service: the operations that the simulator serves, as slipway and its users call them, and the refusals."""

import json
from collections.abc import Mapping
from typing import Any

from slipway.oci.artifact import MANIFEST, canonical, digest_of
from slipway.simulator.iam import trusting
from tests.simulator.oracle.stage import GROUP, IMAGE, STREAM, Player, Story

CONFIG = b"{}"
ABSENT = "sha256:" + "0" * 64
REPOSITORY = {"repositoryName": "team/notes"}


def manifest(number: int, config: bytes = CONFIG) -> str:
    described = {"mediaType": "application/x", "digest": digest_of(config), "size": len(config)}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [], "annotations": {}}
    return canonical(document | {"annotations": {"number": str(number)}}).decode()


def _image(number: int) -> dict[str, str]:
    content = manifest(number)
    return {
        "imageManifest": content,
        "imageManifestMediaType": MANIFEST,
        "imageDigest": digest_of(content.encode()),
    }


def ecr(player: Player) -> None:
    ask = player.ask
    ask("a token", "get_authorization_token")
    tags = [{"Key": "team", "Value": "notes"}]
    ask("a repository is created", "create_repository", **REPOSITORY, imageTagMutability="IMMUTABLE", tags=tags)
    ask("a repository is created twice", "create_repository", **REPOSITORY)
    ask("repositories are described", "describe_repositories")
    ask("an absent repository is described", "describe_repositories", repositoryNames=["absent"])
    ask(
        "the repository's tags",
        "list_tags_for_resource",
        resourceArn="arn:aws:ecr:eu-west-1:123456789012:repository/team/notes",
    )
    upload = ask("an upload starts", "initiate_layer_upload", **REPOSITORY).get("uploadId", "none")
    part = {"partFirstByte": 0, "partLastByte": 1, "layerPartBlob": CONFIG}
    ask("a part is uploaded", "upload_layer_part", **REPOSITORY, uploadId=upload, **part)
    layers = {"layerDigests": [digest_of(CONFIG)]}
    ask("an upload ends", "complete_layer_upload", **REPOSITORY, uploadId=upload, **layers)
    ask("layers are checked", "batch_check_layer_availability", **REPOSITORY, layerDigests=[digest_of(CONFIG), ABSENT])
    ask("a layer's URL", "get_download_url_for_layer", **REPOSITORY, layerDigest=digest_of(CONFIG))
    image, other = _image(1), _image(2)
    ask("an image is put", "put_image", **REPOSITORY, **image, imageTag="one")
    ask("the image is put again", "put_image", **REPOSITORY, **image, imageTag="one")
    ask("the image gets a second tag", "put_image", **REPOSITORY, **image, imageTag="two")
    ask("an immutable tag is moved", "put_image", **REPOSITORY, **other, imageTag="one")
    ask("an image is put into an absent repository", "put_image", repositoryName="absent", **image)
    digest = digest_of(manifest(1).encode())
    ask("an image is described by digest", "describe_images", **REPOSITORY, imageIds=[{"imageDigest": digest}])
    ask("an image is described by tag", "describe_images", **REPOSITORY, imageIds=[{"imageTag": "two"}])
    ask("an absent tag is described", "describe_images", **REPOSITORY, imageIds=[{"imageTag": "absent"}])
    ask("an absent digest is described", "describe_images", **REPOSITORY, imageIds=[{"imageDigest": ABSENT}])
    ask("images of an absent repository", "describe_images", repositoryName="absent")
    ask("an image is got by tag", "batch_get_image", **REPOSITORY, imageIds=[{"imageTag": "one"}])
    ask("an image is got by digest", "batch_get_image", **REPOSITORY, imageIds=[{"imageDigest": digest}])
    for name, identity in {
        "tag": {"imageTag": "absent"},
        "digest": {"imageDigest": ABSENT},
        "nothing": {},
        "another tag": {"imageDigest": digest, "imageTag": "absent"},
        "a malformed digest": {"imageDigest": "sha256:short"},
    }.items():
        ask(f"an absent image is got by {name}", "batch_get_image", **REPOSITORY, imageIds=[identity])
    ask("tagged images are listed", "list_images", **REPOSITORY, filter={"tagStatus": "TAGGED"})
    ask("untagged images are listed", "list_images", **REPOSITORY, filter={"tagStatus": "UNTAGGED"})
    ask("a full repository is deleted", "delete_repository", **REPOSITORY)
    scratch = {"repositoryName": "scratch"}
    ask("a mutable repository is created", "create_repository", **scratch)
    _policies(player, scratch)
    ask("an image without its config", "put_image", **scratch, imageManifest=manifest(3, b"absent"), imageTag="x")
    ask("an image under another digest", "put_image", **scratch, **image | {"imageDigest": ABSENT}, imageTag="y")
    ask("text instead of a manifest", "put_image", **scratch, imageManifest="no JSON", imageTag="z")
    ask("a tag is deleted", "batch_delete_image", **REPOSITORY, imageIds=[{"imageTag": "two"}])
    ask("an absent tag is deleted", "batch_delete_image", **REPOSITORY, imageIds=[{"imageTag": "absent"}])
    ask("images after the tag is deleted", "describe_images", **REPOSITORY, imageIds=[{"imageDigest": digest}])
    ask("an image is deleted", "batch_delete_image", **REPOSITORY, imageIds=[{"imageDigest": digest}])
    ask("a repository is deleted by force", "delete_repository", **REPOSITORY, force=True)
    ask("an absent repository is deleted", "delete_repository", **REPOSITORY)


def _policies(player: Player, scratch: Mapping[str, str]) -> None:
    ask = player.ask
    ask("an absent policy is read", "get_lifecycle_policy", **scratch)
    selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    policy = json.dumps({"rules": [rule]}, separators=(",", ":"))
    ask("a policy is put", "put_lifecycle_policy", **scratch, lifecyclePolicyText=policy)
    ask("a policy is read", "get_lifecycle_policy", **scratch)
    ask("a policy is deleted", "delete_lifecycle_policy", **scratch)
    ask("tags become immutable", "put_image_tag_mutability", **scratch, imageTagMutability="IMMUTABLE")
    ask("tags become mutable", "put_image_tag_mutability", **scratch, imageTagMutability="MUTABLE")


def logs(player: Player) -> None:
    ask, group = player.ask, {"logGroupName": GROUP}
    ask("a group is created", "create_log_group", logGroupName="/empty")
    ask("a group is created twice", "create_log_group", logGroupName="/empty")
    ask("groups by prefix", "describe_log_groups", logGroupNamePrefix="/slip")
    ask("groups by a prefix that none has", "describe_log_groups", logGroupNamePrefix="/none")
    ask("streams", "describe_log_streams", **group)
    ask("streams by prefix", "describe_log_streams", **group, logStreamNamePrefix="none")
    ask("streams of an empty group", "describe_log_streams", logGroupName="/empty")
    ask("streams of an absent group", "describe_log_streams", logGroupName="/absent")
    stream = {**group, "logStreamName": STREAM}
    ask("the last events", "get_log_events", **stream, limit=2)
    head = ask("the first events", "get_log_events", **stream, limit=3, startFromHead=True)
    token = {"nextToken": head["nextForwardToken"]}
    rest = ask("the next events", "get_log_events", **stream, limit=3, **token, startFromHead=True)
    token = {"nextToken": rest["nextForwardToken"]}
    ask("events after the end", "get_log_events", **stream, limit=3, **token, startFromHead=True)
    ask("events by a false token", "get_log_events", **stream, nextToken="false")
    ask("events of an absent stream", "get_log_events", **group, logStreamName="absent")
    ask("events of an absent group", "get_log_events", logGroupName="/absent", logStreamName=STREAM)
    ask("events are filtered", "filter_log_events", **group)
    ask("events are filtered by stream", "filter_log_events", **group, logStreamNames=["absent"])
    ask("events are filtered by prefix", "filter_log_events", **group, logStreamNamePrefix="slipway")
    page = ask("the first page", "filter_log_events", **group, limit=3)
    ask("the second page", "filter_log_events", **group, limit=3, nextToken=page.get("nextToken", "none"))
    times = [event["timestamp"] for event in page["events"]]
    ask("events within a time", "filter_log_events", **group, startTime=times[1], endTime=times[2])
    ask("events of an absent group are filtered", "filter_log_events", logGroupName="/absent")
    ask("a group is deleted", "delete_log_group", logGroupName="/empty")
    ask("an absent group is deleted", "delete_log_group", logGroupName="/empty")


def secretsmanager(player: Player) -> None:
    ask, token = player.ask, {"SecretId": "notes/token"}
    created = ask("a secret is created", "create_secret", Name="notes/token", SecretString="one")
    ask("a secret is created twice", "create_secret", Name="notes/token", SecretString="two")
    ask("a secret is described", "describe_secret", **token)
    ask("a secret is described by ARN", "describe_secret", SecretId=created["ARN"])
    ask("a value is read", "get_secret_value", **token)
    ask("a value is changed", "put_secret_value", **token, SecretString="two")
    ask("a changed value is read", "get_secret_value", **token)
    ask("a secret is listed", "list_secrets")
    for operation in ("describe_secret", "get_secret_value", "delete_secret", "restore_secret"):
        ask(f"an absent secret: {operation}", operation, SecretId="absent")
    ask("an absent secret is changed", "put_secret_value", SecretId="absent", SecretString="x")
    ask("a deletion is scheduled", "delete_secret", **token, RecoveryWindowInDays=7)
    ask("a scheduled secret is described", "describe_secret", **token)
    ask("a scheduled secret is read", "get_secret_value", **token)
    ask("a scheduled secret is changed", "put_secret_value", **token, SecretString="three")
    ask("a scheduled secret is deleted", "delete_secret", **token)
    ask("a scheduled secret is created again", "create_secret", Name="notes/token", SecretString="three")
    ask("scheduled secrets are not listed", "list_secrets")
    ask("scheduled secrets are listed on request", "list_secrets", IncludePlannedDeletion=True)
    ask("a secret is restored", "restore_secret", **token)
    ask("a restored secret is restored", "restore_secret", **token)
    ask("a restored secret is read", "get_secret_value", **token)
    ask("a secret is deleted at once", "delete_secret", **token, ForceDeleteWithoutRecovery=True)
    ask("a deleted secret is described", "describe_secret", **token)
    ask("a deleted secret's name is free", "create_secret", Name="notes/token", SecretString="four")


def ssm(player: Player) -> None:
    ask = player.ask
    url = {"Name": "/notes/url", "Value": "hunter2", "Type": "SecureString"}
    ask("a parameter is put", "put_parameter", **url)
    ask("a parameter is put twice", "put_parameter", **url)
    ask("a parameter is overwritten", "put_parameter", **url | {"Value": "hunter3"}, Overwrite=True)
    ask("a parameter without a type", "put_parameter", Name="untyped", Value="1")
    ask("a plain parameter", "put_parameter", Name="colour", Value="red", Type="String")
    ask("a type is inherited", "put_parameter", Name="colour", Value="blue", Overwrite=True)
    ask("a parameter is read", "get_parameter", Name="/notes/url", WithDecryption=True)
    ask("a parameter is read encrypted", "get_parameter", Name="/notes/url")
    ask("a plain parameter is read", "get_parameter", Name="colour")
    arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/notes/url"
    ask("a parameter is read by ARN", "get_parameter", Name=arn, WithDecryption=True)
    ask("an absent parameter is read", "get_parameter", Name="absent")
    ask("several are read", "get_parameters", Names=["colour", "absent"])
    ask("parameters are described", "describe_parameters")
    for option, value in (("Equals", "colour"), ("BeginsWith", "/notes"), ("Contains", "url")):
        wanted = [{"Key": "Name", "Option": option, "Values": [value]}]
        ask(f"parameters by name: {option}", "describe_parameters", ParameterFilters=wanted)
    by_type = [{"Key": "Type", "Values": ["SecureString"]}]
    ask("parameters by type", "describe_parameters", ParameterFilters=by_type)
    ask("a parameter is deleted", "delete_parameter", Name="colour")
    ask("an absent parameter is deleted", "delete_parameter", Name="colour")
    ask("a parameter with a bad name", "put_parameter", Name="a/b", Value="1", Type="String")


def iam(player: Player) -> None:
    ask = player.ask
    policy = {"AssumeRolePolicyDocument": trusting("build.apprunner.amazonaws.com")}
    ask("a role is created", "create_role", RoleName="notes", Path="/service/", **policy)
    ask("a role is created twice", "create_role", RoleName="notes", **policy)
    ask("a role without a policy", "create_role", RoleName="other", AssumeRolePolicyDocument="{")
    effect = '{"Statement": [{"Effect": "Maybe"}]}'
    ask("a role with a bad policy", "create_role", RoleName="other", AssumeRolePolicyDocument=effect)
    ask("a role is read", "get_role", RoleName="notes")
    ask("an absent role is read", "get_role", RoleName="absent")
    ask("roles by path", "list_roles", PathPrefix="/service/")
    ask("roles by a path that none has", "list_roles", PathPrefix="/none/")
    ask("a second role", "create_role", RoleName="second", Path="/service/", **policy)
    first = player.client.list_roles(PathPrefix="/service/", MaxItems=1)
    second = player.client.list_roles(PathPrefix="/service/", Marker=first["Marker"])
    names = sorted(role["RoleName"] for page in (first, second) for role in page["Roles"])  # moto has no order
    truncated = str([page["IsTruncated"] for page in (first, second)])
    player.outcomes["roles in pages"] = {"truncated": truncated, "names": ", ".join(names)}
    tasks = trusting("tasks.apprunner.amazonaws.com")
    ask("a policy is changed", "update_assume_role_policy", RoleName="notes", PolicyDocument=tasks)
    ask("a changed policy is read", "get_role", RoleName="notes")
    ask("a bad policy is refused", "update_assume_role_policy", RoleName="notes", PolicyDocument="{")
    ask("an absent role's policy is changed", "update_assume_role_policy", RoleName="absent", PolicyDocument=tasks)
    ask("a role is deleted", "delete_role", RoleName="notes")
    ask("an absent role is deleted", "delete_role", RoleName="notes")


def sts(player: Player) -> None:
    player.ask("the caller", "get_caller_identity")


def ecs(player: Player) -> None:
    ask = player.ask
    log = {"awslogs-group": GROUP, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "slipway"}
    image = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/notes@{digest_of(IMAGE)}"
    container = {
        "name": "job",
        "image": image,
        "memory": 512,
        "logConfiguration": {"logDriver": "awslogs", "options": log},
    }
    definition = {
        "family": "job",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "containerDefinitions": [container],
        "tags": [{"key": "team", "value": "notes"}],
    }
    network = {"awsvpcConfiguration": {"subnets": [player.seeds["subnet"]], "securityGroups": []}}
    run = {"cluster": "jobs", "taskDefinition": "job", "launchType": "FARGATE", "networkConfiguration": network}
    ask("a cluster is created", "create_cluster", clusterName="jobs")
    ask("a cluster is created twice", "create_cluster", clusterName="jobs")
    ask("a definition is registered", "register_task_definition", **definition)
    ask("a revision is registered", "register_task_definition", **definition)
    ask("sizes that do not fit", "register_task_definition", **definition | {"family": "big", "memory": "4096"})
    ask("the newest revision is described", "describe_task_definition", taskDefinition="job", include=["TAGS"])
    ask("a revision is described", "describe_task_definition", taskDefinition="job:1")
    ask("an absent definition is described", "describe_task_definition", taskDefinition="absent")
    ask("definitions are listed", "list_task_definitions", familyPrefix="job")
    ask("definitions are listed newest first", "list_task_definitions", familyPrefix="job", sort="DESC")
    ask("a task of an absent definition", "run_task", **run | {"taskDefinition": "absent"})
    ask("a task in an absent cluster", "run_task", **run | {"cluster": "absent"})
    ask("a task without a network", "run_task", **{key: run[key] for key in run if key != "networkConfiguration"})
    started = ask("a task is started", "run_task", **run, startedBy="slipway/1", clientToken="t")
    arn = started["tasks"][0]["taskArn"] if started.get("tasks") else "none"
    again = player._call("run_task", {**run, "startedBy": "slipway/1", "clientToken": "t"})[0]
    same = [task["taskArn"] == arn for task in again.get("tasks", [])]
    player.outcomes["a client token starts no second task"] = {"the same task": str(same)}
    ask("tasks by who started them", "list_tasks", cluster="jobs", startedBy="absent")
    ask("tasks of an absent cluster", "list_tasks", cluster="absent")
    player.wait("a running task", "describe_tasks", _all_have("RUNNING"), cluster="jobs", tasks=[arn])
    ask("a task is stopped", "stop_task", cluster="jobs", task=arn, reason="enough")
    ask("an absent task is stopped", "stop_task", cluster="jobs", task="0" * 32)
    player.wait("a stopped task", "describe_tasks", _all_have("STOPPED"), cluster="jobs", tasks=[arn])
    ask("an absent task is described", "describe_tasks", cluster="jobs", tasks=["0" * 32])
    ask("tasks in an absent cluster are described", "describe_tasks", cluster="absent", tasks=[arn])
    ask("a revision is deregistered", "deregister_task_definition", taskDefinition="job:2")
    ask("active definitions are listed", "list_task_definitions", familyPrefix="job")
    ask("inactive definitions are listed", "list_task_definitions", familyPrefix="job", status="INACTIVE")
    ask("a task of a deregistered revision", "run_task", **run | {"taskDefinition": "job:2"})
    ask("an absent definition is deregistered", "deregister_task_definition", taskDefinition="absent:1")


def _all_have(status: str) -> Any:
    return lambda answer: all(task["lastStatus"] == status for task in answer["tasks"])


def cloudformation(player: Player) -> None:
    ask, wait = player.ask, player.wait
    one = {"StackName": "notes", "ChangeSetName": "one"}
    capable = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
    creation = {**one, **capable, "ChangeSetType": "CREATE"}
    invalid = creation | {"StackName": "invalid"}
    ask("an absent stack is described", "describe_stacks", StackName="absent")
    ask("an absent change set is described", "describe_change_set", StackName="absent", ChangeSetName="absent")
    ask("a change set of an invalid template", "create_change_set", **invalid, TemplateBody="{}")
    unknown = {**REPOSITORY_RESOURCE, "Properties": {"RepositoryName": {"Ref": "Absent"}}}
    ask("a reference to nothing", "create_change_set", **invalid, TemplateBody=template(Repository=unknown))
    without = {key: value for key, value in invalid.items() if key != "Capabilities"}
    ask("capabilities are missing", "create_change_set", **without, TemplateBody=template(Role=ROLE))
    absent = creation | {"StackName": "absent", "ChangeSetType": "UPDATE"}
    ask("an absent stack is updated", "create_change_set", **absent, TemplateBody=template(Role=ROLE))
    body = template(Repository=REPOSITORY_RESOURCE, Role=ROLE)
    ask("a change set is created", "create_change_set", **creation, TemplateBody=body)
    ended = _status_ended("Status")
    wait("a change set is described", "describe_change_set", ended, **one)
    ask("a stack in review", "describe_stacks", StackName="notes")
    ask("a change set is executed", "execute_change_set", **one)
    wait("a stack is described", "describe_stacks", _stack_ended, StackName="notes")
    ask("a stack's events", "describe_stack_events", StackName="notes")
    ask("a stack is created twice", "create_change_set", **creation, TemplateBody=body)
    same = {"StackName": "notes", "ChangeSetName": "same"}
    ask("a change set without changes", "create_change_set", **same, **capable, TemplateBody=body)
    wait("a change set without changes is described", "describe_change_set", ended, **same)
    ask("a change set without changes is executed", "execute_change_set", **same)
    ask("a change set is deleted", "delete_change_set", **same)
    ask("an absent change set is deleted", "delete_change_set", **same)
    less = {"StackName": "notes", "ChangeSetName": "less"}
    ask("an update is proposed", "create_change_set", **less, **capable, TemplateBody=template(Role=ROLE))
    wait("an update is described", "describe_change_set", ended, **less)
    ask("an update is executed", "execute_change_set", **less)
    wait("an updated stack is described", "describe_stacks", _stack_ended, StackName="notes")
    ask("a stack is deleted", "delete_stack", StackName="notes")
    wait("a deleted stack is described", "describe_stacks", _stack_ended, StackName="notes")
    ask("an absent stack is deleted", "delete_stack", StackName="absent")


REPOSITORY_RESOURCE = {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "letters"}}
TRUST = json.loads(trusting("build.apprunner.amazonaws.com"))
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "letters", "AssumeRolePolicyDocument": TRUST}}


def template(**resources: Mapping[str, Any]) -> str:
    return json.dumps({"Resources": resources, "Outputs": {"Role": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}}})


def _status_ended(member: str) -> Any:
    return lambda answer: not answer[member].endswith("_IN_PROGRESS")


def _stack_ended(answer: Any) -> bool:
    return not answer["Stacks"][0]["StackStatus"].endswith("_IN_PROGRESS")


STORIES: Mapping[str, Story] = {
    "cloudformation": cloudformation,
    "ecr": ecr,
    "ecs": ecs,
    "iam": iam,
    "logs": logs,
    "secretsmanager": secretsmanager,
    "ssm": ssm,
    "sts": sts,
}
