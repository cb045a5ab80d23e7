"""A service whose database is migrated by a task of the simulated account."""

from dataclasses import replace
from typing import Any

from slipway.records.form import MARK, to_data
from slipway.records.migration import Migration
from slipway.records.refusal import Refusal
from slipway.release.aws.client import Aws
from slipway.release.runners.definition import TaskOrder
from slipway.release.runners.ecs_task import EcsTask
from slipway.settings import AppRunnerEnvironment, MigrationRunner, RunnerKind, Settings, TargetKind
from tests.release.desired import Telling, aws_of, time_of
from tests.simulator.account import REGION, ROLE, Account
from tests.simulator.scripted import Script
from tests.simulator.tasks import EXECUTION_ROLE

GROUP = "/slipway/notes-staging"
URL = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:notes/staging/url-Xk3bQz"
DONE = Migration(before=(), after=("two",), applied=("one", "two"), attempts=1, seconds=0.5)
TASK = MigrationRunner(
    runner=RunnerKind.ECS_TASK, subnets=("subnet-1",), security_groups=("sg-1",), execution_role=EXECUTION_ROLE
)


def settings(runner: MigrationRunner | None = TASK, **changes: Any) -> Settings:
    staging = AppRunnerEnvironment(
        target=TargetKind.APP_RUNNER,
        region=REGION,
        account="123456789012",
        access_role=ROLE,
        secrets={"DATABASE_URL": URL},
        migration=runner,
    )
    return Settings(name="notes", command=("run",), environments={"staging": replace(staging, **changes)})


def order(digest: str, runner: MigrationRunner | None = TASK, **changes: Any) -> TaskOrder:
    return TaskOrder(settings=settings(runner, **changes), environment="staging", digest=digest)


def answer(record: Any) -> str:
    """The line by which a migration answers."""
    import json

    return MARK + json.dumps(to_data(record))


def done(*lines: str, record: Any = DONE) -> Script:
    """A migration that goes well."""
    return Script((*lines, answer(record)), exit_code=0)


def failed(what: str, next_step: str, code: int = 1) -> Script:
    return Script((answer(Refusal(what=what, next_step=next_step, exit_code=code)),), exit_code=code)


def runner_of(account: Account, ordered: TaskOrder, aws: Aws | None = None, deployment: str | None = None) -> EcsTask:
    return EcsTask(aws=aws or aws_of(account), time=time_of(account), order=ordered, deployment=deployment)


async def migrated(
    account: Account, script: Script, deployment: str | None = None, **changes: Any
) -> tuple[Migration, list[str]]:
    """Migrate with a digest that behaves as scripted; return the record and the lines of the run."""
    telling = Telling()
    ordered = order(await account.image(script), **changes)
    return await runner_of(account, ordered, deployment=deployment).migrate(telling), telling.lines
