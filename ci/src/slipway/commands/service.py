"""Operate a service: status, history, diagnose, pause, resume, destroy."""

from typing import TYPE_CHECKING

from slipway.commands.command import Caller, Command, Effect, Flag, Flags, Group, Result
from slipway.commands.flags import DRY_RUN, ENVIRONMENT
from slipway.commands.release import AS_DEPLOY, AS_PLANNED

if TYPE_CHECKING:
    from slipway.report.answers import CommandResult


async def status(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.status import status
    from slipway.report import answers

    return answers.of_situation(await status(await caller.environment(flags.environment)))


async def history(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.report import answers

    return answers.of_history(await (await caller.environment(flags.environment)).history())


async def diagnose(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.status import diagnose
    from slipway.report import answers

    return answers.of_examination(await diagnose(await caller.environment(flags.environment), flags.number))


async def pause(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment import lifecycle
    from slipway.report import answers

    environment = await caller.environment(flags.environment)
    if flags.dry_run:
        return answers.of_plan(await lifecycle.plan_of(environment, lifecycle.paused(environment)))
    with caller.run() as tell:
        return answers.of_outcome(await lifecycle.pause(environment, tell))


async def resume(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment import lifecycle
    from slipway.report import answers

    environment = await caller.environment(flags.environment)
    if flags.dry_run:
        return answers.of_plan(await lifecycle.plan_of(environment, await lifecycle.resumed(environment)))
    with caller.run() as tell:
        return answers.of_outcome(await lifecycle.resume(environment, tell))


async def destroy(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment import lifecycle
    from slipway.report import answers

    environment = await caller.environment(flags.environment)
    if flags.dry_run:
        return answers.of_plan(await lifecycle.plan_of(environment, lifecycle.deleted(environment)))
    with caller.run() as tell:
        return answers.of_outcome(await lifecycle.destroy(environment, tell, flags.confirm))


STATUS = Command(
    name="status",
    group=Group.SERVICE,
    sentence="Show the live release, its deployment, operations in progress and readiness",
    effect=Effect.READS,
    flags=ENVIRONMENT,
    results=(Result("situation", "0 also when there is no service: `observed.status` is null then"),),
    run=status,
    rights=("status",),
)
HISTORY = Command(
    name="history",
    group=Group.SERVICE,
    sentence="List the recorded deployments, newest first",
    effect=Effect.READS,
    flags=ENVIRONMENT,
    results=(Result("history"),),
    run=history,
    rights=("history",),
)
DIAGNOSE = Command(
    name="diagnose",
    group=Group.SERVICE,
    sentence="Explain why the newest change of a service failed, with the log lines that show it",
    effect=Effect.READS,
    flags=(
        *ENVIRONMENT,
        Flag(
            name="number",
            metavar="NUMBER",
            parse=int,
            sentence="a deployment, by its number in `slipway history` (default: the newest change, made by slipway or not)",
        ),
    ),
    results=(Result("examination", "0 when nothing has failed, 1 when something has, 3 while it is in progress"),),
    run=diagnose,
    rights=("diagnose",),
)
PAUSE = Command(
    name="pause",
    group=Group.SERVICE,
    sentence="Pause a service; its configuration and its address stay",
    effect=Effect.CHANGES,
    flags=(*ENVIRONMENT, DRY_RUN),
    results=(AS_DEPLOY, AS_PLANNED),
    run=pause,
    rights=("pause",),
)
RESUME = Command(
    name="resume",
    group=Group.SERVICE,
    sentence="Resume a paused service with the release it had",
    effect=Effect.CHANGES,
    flags=(*ENVIRONMENT, DRY_RUN),
    results=(AS_DEPLOY, AS_PLANNED),
    run=resume,
    rights=("resume",),
)
DESTROY = Command(
    name="destroy",
    group=Group.SERVICE,
    sentence="Delete a service and its address permanently; images, secrets and history stay",
    effect=Effect.CHANGES,
    flags=(
        *ENVIRONMENT,
        DRY_RUN,
        Flag(
            name="confirm",
            metavar="SERVICE",
            default="",
            sentence="the service's name again, since deletion is permanent",
        ),
    ),
    results=(AS_DEPLOY, AS_PLANNED),
    run=destroy,
    rights=("destroy",),
)
