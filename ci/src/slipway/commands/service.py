"""Operate a service: status, history, diagnose, pause, resume, destroy."""

from typing import TYPE_CHECKING

from slipway.commands.command import AwsAccess, Caller, Flags, Group, JsonRecord, command, option
from slipway.commands.flags import DRY_RUN, ENVIRONMENT
from slipway.commands.release import AS_DEPLOY, AS_PLANNED, changed

if TYPE_CHECKING:
    from slipway.report.answers.result import CommandResult


@command(
    Group.SERVICE,
    "Show the live release, its deployment, operations in progress and readiness",
    AwsAccess.READS,
    flags=ENVIRONMENT,
    records=(JsonRecord("situation", "0 also when there is no service: `observed.status` is null then"),),
)
async def status(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.status import status
    from slipway.report.answers import service as answers

    return answers.of_situation(await status(await caller.environment(flags.environment)))


@command(
    Group.SERVICE,
    "List the recorded deployments, newest first",
    AwsAccess.READS,
    flags=ENVIRONMENT,
    records=(JsonRecord("history"),),
)
async def history(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.report.answers import service as answers

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
    from slipway.report.answers import service as answers

    return answers.of_examination(await diagnose(await caller.environment(flags.environment), flags.number))


@command(
    Group.SERVICE,
    "Pause a service; its configuration and its address are kept",
    AwsAccess.CHANGES,
    flags=(*ENVIRONMENT, DRY_RUN),
    records=(AS_DEPLOY, AS_PLANNED),
)
async def pause(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.environment import pause, plan_change
    from slipway.records.outcome import Verb

    there = await caller.environment(flags.environment)
    return await changed(flags, caller, lambda: plan_change(there, Verb.PAUSE), lambda tell: pause(there, tell))


@command(
    Group.SERVICE,
    "Resume a paused service; it serves the same release as before",
    AwsAccess.CHANGES,
    flags=(*ENVIRONMENT, DRY_RUN),
    records=(AS_DEPLOY, AS_PLANNED),
)
async def resume(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.environment import plan_change, resume
    from slipway.records.outcome import Verb

    there = await caller.environment(flags.environment)
    return await changed(flags, caller, lambda: plan_change(there, Verb.RESUME), lambda tell: resume(there, tell))


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
    from slipway.environment.environment import destroy, plan_change
    from slipway.records.outcome import Verb

    there, confirm = await caller.environment(flags.environment), flags.confirm
    return await changed(
        flags, caller, lambda: plan_change(there, Verb.DESTROY), lambda tell: destroy(there, tell, confirm)
    )
