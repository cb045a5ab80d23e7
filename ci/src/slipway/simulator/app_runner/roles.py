"""The roles that App Runner takes on: one to pull the image, one that the instances have."""

from datetime import datetime

from slipway.simulator.app_runner.configuration import Configuration
from slipway.simulator.contract import AwsError
from slipway.simulator.iam import Iam

BUILD, TASKS = "build.apprunner.amazonaws.com", "tasks.apprunner.amazonaws.com"  # [G]


def check(iam: Iam, asked: Configuration, now: datetime) -> None:
    """Raises AwsError for a role that is not there, not known everywhere yet, or trusts somebody else: the answer is the same [F]."""
    access = asked["SourceConfiguration"].get("AuthenticationConfiguration", {}).get("AccessRoleArn")
    instance = asked["InstanceConfiguration"].get("InstanceRoleArn")
    if access and not iam.may_assume(access, BUILD, now):
        raise AwsError("InvalidRequestException", f"Error in assuming access role {access}")  # [F]
    if instance and not iam.may_assume(instance, TASKS, now):
        raise AwsError("InvalidRequestException", f"Error in assuming instance role {instance}")  # †
