"""Run a command once, from an environment's live image, in the VPC, with the task that migrates its database."""

from collections.abc import Callable, Sequence

from slipway.environment.opened import OpenEnvironment, live_digest
from slipway.errors import BadInputError
from slipway.migration.output import secrets_in, without
from slipway.records.command import CommandRun
from slipway.records.progress import Tell
from slipway.release.diagnosis import without_values
from slipway.release.runners.definition import TASK_SETTINGS, TaskOrder
from slipway.release.runners.ecs_task import EcsTask
from slipway.settings import RunnerKind, SettingsError
from slipway.untrusted import printable


async def run(
    environment: OpenEnvironment, command: Sequence[str], tell: Tell, heard: Callable[[str], None]
) -> CommandRun:
    """Run a command and pass on each line that it prints. Raise SlipwayError when the task does not start.

    Raise UnknownOutcomeError when the task ends without an exit code. A command that fails raises nothing: its exit
    code is returned.
    """
    if not any(command):  # Dagger allows an empty list; without a command the task would start the service
        raise BadInputError("there is no command to run", "pass a program and its arguments")
    migration = environment.own_settings.migration
    if migration is None or migration.runner is not RunnerKind.ECS_TASK:
        raise SettingsError(
            f"{environment.name} has no task that could run a command",
            f"set {TASK_SETTINGS} in migration of [tool.slipway.environments.{environment.name}]",
        )
    digest = await live_digest(environment)
    task = EcsTask(
        aws=environment.aws,
        time=environment.time,
        order=TaskOrder(settings=environment.resolved, environment=environment.name, digest=digest),
    )
    known = secrets_in(environment.own_settings.variables)
    return await task.execute(
        command, tell, lambda line: heard(printable(without_values(without(known, line))).rstrip())
    )
