"""Operate a service: status, history, diagnose, pause, resume, destroy."""

from typing import TYPE_CHECKING

from slipway.commands.command import AwsAccess, Caller, Flags, Group, JsonRecord, command, option
from slipway.commands.flags import DRY_RUN, ENVIRONMENT
from slipway.commands.release import AS_DEPLOY, AS_PLANNED

if TYPE_CHECKING:
    from slipway.report.answers import CommandResult


@command(
    Group.SERVICE,
    "Show the live release, its deployment, operations in progress and readiness",
    AwsAccess.READS,
    flags=ENVIRONMENT,
    records=(JsonRecord("situation", "0 also when there is no service: `observed.status` is null then"),),
)
async def status(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.status import status
    from slipway.report import answers

    return answers.of_situation(await status(await caller.environment(flags.environment)))


@command(
    Group.SERVICE,
    "List the recorded deployments, newest first",
    AwsAccess.READS,
    flags=ENVIRONMENT,
    records=(JsonRecord("history"),),
)
async def history(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.report import answers

    return answers.of_history(await (await caller.environment(flags.environment)).history())


@command(
    Group.SERVICE,
    "Explain why the newest change of a service failed, with the log lines that show it",
    AwsAccess.READS,
    flags=(
        *ENVIRONMENT,
        option(
            "number",
            "NUMBER",
            "a deployment, by its number in `slipway history` (default: the newest change, made by slipway or not)",
            parse=int,
        ),
    ),
    records=(JsonRecord("examination", "0 when nothing has failed, 1 when something has, 3 while it is in progress"),),
)
async def diagnose(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.status import diagnose
    from slipway.report import answers

    return answers.of_examination(await diagnose(await caller.environment(flags.environment), flags.number))


@command(
    Group.SERVICE,
    "Pause a service; its configuration and its address stay",
    AwsAccess.CHANGES,
    flags=(*ENVIRONMENT, DRY_RUN),
    records=(AS_DEPLOY, AS_PLANNED),
)
async def pause(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment import lifecycle
    from slipway.report import answers

    environment = await caller.environment(flags.environment)
    if flags.dry_run:
        return answers.of_plan(await lifecycle.plan_of(environment, lifecycle.paused(environment)))
    with caller.run() as tell:
        return answers.of_outcome(await lifecycle.pause(environment, tell))


@command(
    Group.SERVICE,
    "Resume a paused service with the release it had",
    AwsAccess.CHANGES,
    flags=(*ENVIRONMENT, DRY_RUN),
    records=(AS_DEPLOY, AS_PLANNED),
)
async def resume(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment import lifecycle
    from slipway.report import answers

    environment = await caller.environment(flags.environment)
    if flags.dry_run:
        return answers.of_plan(await lifecycle.plan_of(environment, await lifecycle.resumed(environment)))
    with caller.run() as tell:
        return answers.of_outcome(await lifecycle.resume(environment, tell))


@command(
    Group.SERVICE,
    "Delete a service and its address permanently; images, secrets and history stay",
    AwsAccess.CHANGES,
    flags=(
        *ENVIRONMENT,
        DRY_RUN,
        option("confirm", "SERVICE", "the service's name again, since deletion is permanent", default=""),
    ),
    records=(AS_DEPLOY, AS_PLANNED),
)
async def destroy(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment import lifecycle
    from slipway.report import answers

    environment = await caller.environment(flags.environment)
    if flags.dry_run:
        return answers.of_plan(await lifecycle.plan_of(environment, lifecycle.deleted(environment)))
    with caller.run() as tell:
        return answers.of_outcome(await lifecycle.destroy(environment, tell, flags.confirm))
