"""AWS's words for a task that did not start, as users quote them, each with its remedy."""

import pytest

from slipway.release.runners.ending import Ended, why
from tests.release.desired import DIGEST
from tests.release.migrating import order

PULL = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
IMAGE = (
    "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref notes@sha256:1: "
)
CASES = {
    f"{PULL}unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:a from secrets manager: AccessDeniedException: User: arn:b is not authorized to perform: secretsmanager:GetSecretValue": "allow the execution role secretsmanager:GetSecretValue",
    f"{PULL}unable to retrieve secrets from ssm: service call has been retried 1 time(s): AccessDeniedException: User: arn:b is not authorized to perform: ssm:GetParameters": "allow the execution role secretsmanager:GetSecretValue, ssm:GetParameters",
    f"{PULL}unable to retrieve secrets from ssm: service call has been retried 1 time(s): invalid ssm parameters: /notes/url": "correct its ARN in secrets of [tool.slipway.environments.staging]",
    f"{PULL}unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret from Secrets Manager did not contain json key url": "correct its ARN in secrets",
    f"{PULL}unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:a from secrets manager: InvalidRequestException: You can't perform this operation on the secret because it was marked for deletion.": "`aws secretsmanager restore-secret --secret-id arn:a` restores it; or name another",
    f"{PULL}unable to retrieve secrets from ssm: The task cannot pull secrets from AWS Systems Manager. There is a connection issue between the task and AWS Systems Manager Parameter Store.": "give the subnets a route to AWS: a NAT gateway",
    f"{PULL}unable to retrieve secret from asm: service call has been retried 5 time(s): failed to fetch secret arn:a from secrets manager: RequestCanceled: request context canceled caused by: context deadline exceeded.": "give the subnets a route to AWS: a NAT gateway",
    f'{PULL}unable to retrieve ecr registry auth: service call has been retried 3 time(s): RequestError: send request failed caused by: Post "https://api.ecr.eu-west-1.amazonaws.com/": dial tcp 1.2.3.4:443: i/o timeout.': "give the subnets a route to AWS: a NAT gateway",
    f"{IMAGE}pulling from host 1.dkr.ecr.eu-west-1.amazonaws.com failed with status code: 403 Forbidden": "allow the execution role ecr:GetAuthorizationToken",
    f"{IMAGE}notes@sha256:1: not found": "push it first; `dagger call publish` prints the digest",
    f'{IMAGE}Head "https://1.dkr.ecr.eu-west-1.amazonaws.com": dial tcp 1.2.3.4:443: i/o timeout': "give the subnets a route to AWS: a NAT gateway",
    'CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: exec: "python": executable file not found in $PATH': "set PATH in the image to where the service's own Python is",
    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: AccessDeniedException: User: arn:b is not": "allow the execution role logs:CreateLogStream and logs:PutLogEvents there",
    "ECS was unable to assume the role 'arn:aws:iam::1:role/x' that was provided for this task.": "allow ecs-tasks.amazonaws.com to assume it, in its trust policy",
    "something \x1b[1mnew": "open the task in the console of ECS",
}  # fmt: skip


@pytest.mark.parametrize(("reason", "remedy"), CASES.items(), ids=range(len(CASES)))
def test_a_task_that_did_not_start_has_a_remedy(reason, remedy):
    error = why(Ended(exit_code=None, stop_code="TaskFailedToStart", reason=reason), order(DIGEST))
    assert error.next_step.startswith(remedy)
    assert str(error).isprintable()


@pytest.mark.parametrize("code", ["SpotInterruption", "InfrastructureHealth", "TerminationNotice", "ANewOne", ""])
def test_what_aws_stops_for_other_reasons_is_reported_in_its_words(code):
    error = why(Ended(exit_code=None, stop_code=code, reason="the machine\nis old"), order(DIGEST))
    assert f"AWS stopped the task of the migration ({code}: the machine is old)" in str(error)


def test_a_container_that_had_too_little_memory_is_reported():
    error = why(
        Ended(exit_code=137, stop_code="EssentialContainerExited", reason="", why="OutOfMemoryError: Container killed"),
        order(DIGEST),
    )
    assert error.what.endswith("the exit code 137 (OutOfMemoryError: Container killed)")
