"""Operate a service: status, open, history, diagnose, logs, secret, run, pause, resume, abort, destroy."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from slipway.commands.command import AwsAccess, Caller, Flags, Group, JsonRecord, command, file, option, switch
from slipway.commands.flags import ANYWHERE, DRY_RUN, ENVIRONMENT
from slipway.commands.release import AS_DEPLOY, AS_PLANNED, changed, connected_to
from slipway.errors import BadInputError

if TYPE_CHECKING:
    from slipway.report.answers.result import CommandResult

_UNTIL_IT_ENDS = "until it ends"


@command(
    Group.SERVICE,
    "Show the live release, its deployment, whether it answers, and operations in progress",
    AwsAccess.READS,
    flags=(
        *ANYWHERE,
        option(
            "watch",
            "SPAN",
            "without SPAN: repeat the status until the operation in progress ends or you interrupt it. With a span such as 5m: watch the "
            "live release that long, and exit with 1 when it fails",
            bare=_UNTIL_IT_ENDS,
            on_dagger="a span is required",
        ),
        switch("all", "show every service of the repository that is in the environment, callees before their callers"),
    ),
    records=(
        JsonRecord("joint-situation", "with `--all`; the worst code of all services"),
        JsonRecord(
            "situation",
            "1 when the service exists and does not answer, 3 when its state is unknown; 0 also when there is none: `observed.status` is null then",
        ),
        JsonRecord("release-watch", "with `--watch SPAN`; 1 unless `status` is SUCCEEDED"),
    ),
    permissions=("status", "logs"),
    more="""\
With a span such as 5m, slipway requests the smoke paths every 15 seconds, and counts and shows the lines of the logs that look like
errors. The watch ends early, with exit code 1, when a path fails or another release is live; errors in the log alone do not end it.""",
)
async def status(flags: Flags, caller: Caller) -> "CommandResult | None":
    from slipway.environment.logs import span
    from slipway.environment.status import status, watch
    from slipway.environment.watch import watched
    from slipway.report.answers import service as answers

    if flags.all:
        return await _status_of_all(flags, caller)
    length = span(flags.watch) if flags.watch not in {None, _UNTIL_IT_ENDS} else None
    environment = await caller.environment(flags.environment)
    if length:
        with caller.run() as tell:
            return answers.of_release_watch(await watched(environment, length, tell))
    if not flags.watch:
        return answers.of_situation(await status(environment))
    with caller.screen() as show:
        async for situation in watch(environment):
            show(answers.of_situation(situation))
    return None


async def _status_of_all(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.joint import joint_status
    from slipway.report.answers.release import of_joint_situation

    for name in ("watch", "service", "region"):
        if vars(flags).get(name):
            raise BadInputError(f"--{name} is for one service", "pass it without --all")

    opened = partial(caller.environment, flags.environment)
    return of_joint_situation(await joint_status(await caller.services(), flags.environment, opened))


@command(
    Group.SERVICE,
    "Print a service's public URL, and open it if this machine has a browser",
    AwsAccess.READS,
    flags=ANYWHERE,
    records=(JsonRecord("address"),),
    permissions=("status",),
    not_on_dagger="it has no browser; status has the URL",
)
async def open(flags: Flags, caller: Caller) -> "CommandResult":  # noqa: A001 -- the command's name
    import sys

    from slipway.environment.opened import existing
    from slipway.local.browser import open_in_browser
    from slipway.records.ledger import Address
    from slipway.report.answers import service as answers

    environment = await caller.environment(flags.environment)
    address = Address(environment=environment.name, url=environment.address_of((await existing(environment)).url))
    if sys.stdout.isatty() and not flags.json:
        open_in_browser(address.url)
    return answers.of_address(address)


@command(
    Group.SERVICE,
    "List the recorded deployments, newest first",
    AwsAccess.READS,
    flags=(
        *ANYWHERE,
        option(
            "limit", "NUMBER", "the newest deployments to list, at most this many (default: 20)", parse=int, default=20
        ),
        file(
            "record",
            "first copy the deployment that a run with --without-ledger saved in this file into the ledger, then delete the file; needs the permissions of `deploy`",
            not_on_dagger="such a run leaves a file on a person's machine",
        ),
    ),
    records=(JsonRecord("history"),),
)
async def history(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.late import record_all
    from slipway.environment.status import with_unfinished
    from slipway.records.ledger import LedgerBlock
    from slipway.report.answers import service as answers

    if flags.limit < 1:
        raise BadInputError("--limit needs a number above 0", "pass how many deployments to list")
    environment = await caller.environment(flags.environment)
    if flags.record:
        block = await caller.record(LedgerBlock, flags.record, "the deployment")
        await record_all(environment, block.records)
        flags.record.unlink()  # a second upload would create another deployment
    return answers.of_history(await with_unfinished(environment, await environment.history(flags.limit)))


@command(
    Group.SERVICE,
    "Explain why the newest deployment, pause or deletion failed, and show the log lines",
    AwsAccess.READS,
    flags=(
        *ANYWHERE,
        option(
            "number",
            "NUMBER",
            "a deployment, by its number in `slipway history` (default: the newest change, made by slipway or not)",
            parse=int,
        ),
    ),
    records=(
        JsonRecord(
            "examination",
            "0 when nothing has failed, 1 when the deployment has, or the live release does not answer, 3 while it is in progress",
        ),
    ),
)
async def diagnose(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.diagnosis import diagnose
    from slipway.report.answers import service as answers

    return answers.of_examination(await diagnose(await caller.environment(flags.environment), flags.number))


@command(
    Group.SERVICE,
    "Print recent lines of the application and the platform, or those of one recorded deployment",
    AwsAccess.READS,
    flags=(
        *ANYWHERE,
        option("since", "SPAN", "the lines of the last 90s, 10m, 2h or 3d, for example (default: 10m)", one_of="lines"),
        option(
            "deployment",
            "NUMBER",
            "the lines of one deployment, from its start to its end, by its number in `slipway history`",
            parse=int,
            one_of="lines",
        ),
        switch("errors", "only lines that look like errors, with the lines of their tracebacks"),
        option("tail", "NUMBER", "only the newest of these lines, at most this many", parse=int),
        switch("follow", "continue with new lines until it is interrupted", not_on_dagger="a function returns once"),
    ),
    records=(
        JsonRecord("log"),
        JsonRecord("log-line", "with `--follow`: one on each line, as they come"),
    ),
    more="""\
A line has its time in UTC, its source and its text; control characters are removed. Passwords in URLs, and values of `variables`
whose names look like those of secrets, are hidden; slipway does not know the values of `secrets`.""",
)
async def logs(flags: Flags, caller: Caller) -> "CommandResult | None":
    from slipway.environment import logs
    from slipway.report.answers import service as answers

    if flags.deployment is not None and (flags.follow or flags.since):
        raise BadInputError(
            "--deployment already says from when to when the log is read",
            "pass --deployment without --since and --follow",
        )
    if flags.tail is not None and (flags.follow or flags.tail < 1):
        raise BadInputError(
            "--tail needs a number above 0, and does not go with --follow", "pass only one of --tail and --follow"
        )
    since = logs.span(flags.since or "10m")
    environment = await caller.environment(flags.environment)
    kept = logs.ErrorLines(environment.platform.words) if flags.errors else lambda _line: True
    if flags.follow:
        async for line in logs.follow(environment, since):
            if kept(line):
                caller.stream(answers.of_log_line(line))
        return None
    if flags.deployment is None:
        log = await logs.recent(environment, since)
    else:
        log = await logs.of_deployment(environment, flags.deployment)
    log = replace(log, lines=tuple(filter(kept, log.lines))).last(flags.tail)
    if not log.lines:
        environment.note(await logs.elsewhere(environment, flags.deployment, errors=flags.errors))
    return answers.of_log(log)


@command(
    Group.SERVICE,
    "List an environment's secrets and those that are missing; set one to a value that is typed or piped in",
    AwsAccess.CHANGES,
    flags=(
        option("action", "list|set", "list the secrets, or set one", positional=True, choices=("list", "set")),
        option("name", "VARIABLE", "with set: the variable that gets the value", positional=True, default=""),
        *ENVIRONMENT,
    ),
    records=(
        JsonRecord("secret-list", "of `list`; 1 when a secret is missing"),
        JsonRecord("secret-version", "of `set`"),
    ),
    more="""\
Type the value at the prompt, which does not show it, or pipe it in; a newline at its end is removed. If the settings name no existing
secret for the variable, slipway creates SERVICE/VARIABLE and prints the line to add to the settings. A running service reads a new
value only when its instances restart, as after a deployment with another variable.""",
    not_on_dagger="a person types the value",
)
async def secret(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.secrets import check_name, secrets, set_secret
    from slipway.local.prompt import secret_value
    from slipway.report.answers import service as answers

    if bool(flags.name) != (flags.action == "set"):
        raise BadInputError("set takes the name of a variable, and list takes none", "`slipway secret --help` has more")
    environment = await caller.environment(flags.environment)
    if flags.action == "list":
        return answers.of_secret_list(await secrets(environment))
    check_name(flags.name)
    return answers.of_secret_version(await set_secret(environment, flags.name, secret_value(flags.name)))


@command(
    Group.SERVICE,
    "Run a command once in the VPC, with the live image, and exit with the command's code",
    AwsAccess.CHANGES,
    flags=(
        option("command", "COMMAND", "the command and its arguments, after --", positional=True, repeated=True),
        *ENVIRONMENT,
    ),
    records=(JsonRecord("command-run", "with the exit code of the command"),),
    more="""\
For example: slipway run --environment staging -- python -m app.repair --since 2026-01-01

The command runs in the ECS task of [tool.slipway.environments.ENVIRONMENT.migration], with the variables and secrets of the environment, and
without a shell. Its lines are printed as they reach CloudWatch; values of secrets, and passwords in URLs, are removed inside the
container. When slipway is interrupted, the task continues. slipway exits with 1 when the task does not start, and with 3 when its end
is unknown.""",
)
async def run(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.one_off import run
    from slipway.records.progress import Event
    from slipway.report.answers import service as answers
    from slipway.report.answers.result import CommandResult

    environment = await connected_to(flags, caller)
    with caller.run() as tell:
        show = (
            (lambda line: tell(Event(line)))
            if flags.json
            else lambda line: caller.stream(CommandResult(record=None, text=f"{line}\n"))
        )
        return answers.of_command_run(await run(environment, flags.command, tell, show))


@command(
    Group.SERVICE,
    "Pause a service if its platform can; its configuration and its address are kept",
    AwsAccess.CHANGES,
    flags=(*ENVIRONMENT, DRY_RUN),
    records=(AS_DEPLOY, AS_PLANNED),
    permissions=("pause", "webhook"),
)
async def pause(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.environment import pause, plan_change
    from slipway.records.outcome import Verb

    environment = await caller.environment(flags.environment)
    return await changed(flags, caller, partial(plan_change, environment, Verb.PAUSE), partial(pause, environment))


@command(
    Group.SERVICE,
    "Resume a paused service; it serves the same release as before",
    AwsAccess.CHANGES,
    flags=(*ENVIRONMENT, DRY_RUN),
    records=(AS_DEPLOY, AS_PLANNED),
    permissions=("resume", "webhook"),
)
async def resume(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.environment import plan_change, resume
    from slipway.records.outcome import Verb

    environment = await caller.environment(flags.environment)
    return await changed(flags, caller, partial(plan_change, environment, Verb.RESUME), partial(resume, environment))


@command(
    Group.SERVICE,
    "Roll back the deployment in progress, also during its canary; succeeds only when the previous release gets all traffic",
    AwsAccess.CHANGES,
    flags=ENVIRONMENT,
    records=(AS_DEPLOY,),
    permissions=("abort", "webhook"),
)
async def abort(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.environment import abort
    from slipway.report.answers import release as answers

    environment = await caller.environment(flags.environment)
    with caller.run() as tell:
        return answers.of_outcome(await abort(environment, tell))


@command(
    Group.SERVICE,
    "Delete a service and its address permanently, with `--everything` also its stacks, network and database; images and ledger stay",
    AwsAccess.CHANGES,
    flags=(
        *ENVIRONMENT,
        DRY_RUN,
        switch(
            "everything",
            "delete the environment's stacks too, with network, database and the secrets that they made, and show what is still billed and what was kept",
        ),
        option("confirm", "SERVICE", "the service's name again, since deletion is permanent", default=""),
    ),
    records=(
        AS_DEPLOY,
        AS_PLANNED,
        JsonRecord(
            "destruction",
            "with `--everything`; 1 when something was not deleted, or is still billed and not kept for other services",
        ),
    ),
    more="""\
With --everything the service goes first, then its stack, then the network and the database that the services of the environment
share; these are kept while the stack of another service uses them. The database leaves a final snapshot. If it is protected from
deletion, nothing is deleted. --everything needs an administrator's permissions, as bootstrap does.""",
    permissions=("destroy", "webhook"),
)
async def destroy(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.environment import destroy, plan_change
    from slipway.records.outcome import Verb

    if flags.everything:
        return await _everything(flags, caller)
    environment = await caller.environment(flags.environment)
    plan = partial(plan_change, environment, Verb.DESTROY)
    return await changed(flags, caller, plan, partial(destroy, environment, confirmed=flags.confirm))


async def _everything(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.destroy import destroy_everything, plan_destruction
    from slipway.report.answers import account as answers

    environment = await caller.environment(flags.environment)
    with caller.run() as tell:
        if flags.dry_run:
            return answers.of_destruction(await plan_destruction(environment, tell))
        return answers.of_destruction(await destroy_everything(environment, tell, flags.confirm))
