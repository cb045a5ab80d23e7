"""Settings of services that are to be bootstrapped."""

from dataclasses import replace
from typing import Any

from slipway.settings import (
    AppRunnerEnvironment,
    Environment,
    ExpressEnvironment,
    Github,
    ManagedDatabase,
    ManagedNetwork,
    MigrationRunner,
    Nat,
    Network,
    RunnerKind,
    Scaling,
    Settings,
    TargetKind,
)

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"
NETWORK = Network(
    vpc="vpc-0a1b2c3d", subnets=("subnet-0a1b2c3d", "subnet-1a2b3c4d"), database_security_group="sg-0a1b2c3d"
)
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/database-url-Xk3bQz"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/notes/key"
GITHUB = Github("octo@7/notes@8")


def role(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def environment(name: str, account: str = ACCOUNT, region: str = "eu-west-1", **parts: Any) -> AppRunnerEnvironment:
    plain = AppRunnerEnvironment(
        target=TargetKind.APP_RUNNER, region=region, account=account, access_role=role(f"notes-{name}-access", account)
    )
    return replace(plain, **parts)


def express(name: str, **parts: Any) -> ExpressEnvironment:
    plain = ExpressEnvironment(
        target=TargetKind.ECS_EXPRESS,
        region="eu-west-1",
        account=ACCOUNT,
        access_role=role(f"notes-{name}-access"),
        infrastructure_role=role(f"notes-{name}-infrastructure"),
    )
    return replace(plain, **parts)


def settings(*, github: Github | None = GITHUB, **environments: Environment) -> Settings:
    return Settings(name="notes", command=("notes",), environments=environments, github=github)


def by_a_task(name: str, **parts: Any) -> MigrationRunner:
    plain = MigrationRunner(
        runner=RunnerKind.ECS_TASK,
        cluster="notes",
        subnets=NETWORK.subnets,
        security_groups=("sg-2a3b4c5d",),
        execution_role=role(f"notes-{name}-execution"),
    )
    return replace(plain, **parts)


STAGING = environment("staging")
WITH_SECRETS = environment(
    "staging",
    instance_role=role("notes-staging-instance"),
    secrets={"DATABASE_URL": SECRET, "PASSWORD": f"{SECRET}:password::", "KEY": PARAMETER},
)
FULL = replace(
    WITH_SECRETS,
    network=NETWORK,
    scaling=Scaling(50, 2, 10),
    migration=by_a_task("staging", task_role=role("notes-staging-task")),
)
MADE = ManagedNetwork(managed=True, cidr="10.20.0.0/16", private=True, nat=Nat.ONE)
FROM_NOTHING = express("staging", network=MADE, database=ManagedDatabase(managed=True), migration=by_a_task("staging"))


def untold(_event: object) -> None:
    """Ignore the progress of a run."""
