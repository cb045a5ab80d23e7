"""Release: preflight, plan, deploy, promote, rollback, migrate."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from slipway.commands.command import AwsAccess, Caller, Flags, Group, JsonRecord, command, file, option, switch
from slipway.commands.flags import (
    ALL,
    ANYWHERE,
    CERTIFICATE,
    DRY_RUN,
    ENDPOINT,
    ENVIRONMENT,
    IMAGE,
    IMAGES,
    PROVEN,
    SOURCE,
    WITHOUT_CERTIFICATE,
    WITHOUT_LEDGER,
    WITHOUT_START,
)
from slipway.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from slipway.environment.environment import ServiceEnvironment
    from slipway.environment.joint import JointDeployment
    from slipway.environment.redeploy import CompatibilityEvidence
    from slipway.records.outcome import Outcome
    from slipway.records.plan import Plan
    from slipway.records.progress import Tell
    from slipway.report.answers.result import CommandResult

AS_DEPLOY = JsonRecord("outcome", "as for `deploy`")
AS_PLANNED = JsonRecord("plan", "with `--dry-run`; 1 when it is blocked")


@command(
    Group.RELEASE,
    "Check everything that a deployment needs, and list what cannot be checked; change nothing",
    AwsAccess.READS,
    flags=(*ENVIRONMENT, IMAGE),
    records=(JsonRecord("preflight", "1 when a check refuses the release; what is not covered does not count"),),
    permissions=("preflight", "status"),
)
async def preflight(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.preflight import preflight
    from slipway.release.errors import AwsRefusedError
    from slipway.report.answers import release as answers

    environment = await connected_to(flags, caller)
    spec, live = environment.spec(environment.digest_of(flags.image)), dict[str, str]()
    with suppress(AwsRefusedError):  # the preflight itself reports missing permissions
        live = dict((await environment.status()).fields)
    report = await preflight(environment.aws, spec.over(live), environment.settings, live=live)
    return answers.of_preflight(report)


@command(
    Group.RELEASE,
    "Show what a deployment would change; change nothing",
    AwsAccess.READS,
    flags=(
        *ENVIRONMENT,
        IMAGES,
        replace(
            ALL,
            sentence="plan several services together: pass an --image for each; the services that others call come first",
        ),
    ),
    records=(
        JsonRecord("plan", "1 when it is blocked"),
        JsonRecord("joint-plan", "with `--all`; 1 when one is blocked"),
    ),
    never_red="it returns the folder with plan.json, plan.txt and summary.md, even when the plan is blocked",
)
async def plan(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.report.answers import release as answers

    if flags.all:
        from slipway.report.answers.release import of_joint_plan

        return of_joint_plan(await (await _joint(flags, caller, flags.image)).plan())
    environment = await connected_to(flags, caller)
    return answers.of_plan(await environment.plan(environment.digest_of(_only(flags.image))))


@command(
    Group.RELEASE,
    "Deploy an image or a saved plan; succeeds only when the release is live and healthy",
    AwsAccess.CHANGES,
    flags=(
        *ENVIRONMENT,
        replace(IMAGES, one_of="release"),
        file(
            "plan",
            "deploy this saved plan (`plan --json > FILE`) instead of naming an image; refused if anything has changed since",
            one_of="release",
        ),
        CERTIFICATE,
        WITHOUT_LEDGER,
        switch("older", "allow an image that was first deployed earlier than the live one"),
        WITHOUT_START,
        ALL,
        replace(
            WITHOUT_CERTIFICATE,
            sentence="with --all, after a failure: roll a service back even if its database was migrated and no certificate shows that its previous release works on the new schema; "
            "the reason is recorded",
        ),
    ),
    records=(
        JsonRecord("outcome", "0 for SUCCEEDED and NOOP, 3 for UNKNOWN, 4 for ABORTED, 1 for every other status"),
        JsonRecord("joint-outcome", "with `--all`; 0 only when every image is live, 3 when that of one is unknown"),
    ),
    permissions=("deploy", "webhook"),
    more="""\
With --all the services are deployed one after the other, each after those that it calls. When one fails, those that were deployed
before it are rolled back in reverse order, unless their settings have when-a-later-fails = "stay". Run the same command again after a
kill: it resumes the deployment or the rollback.""",
)
async def deploy(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.records.plan import Plan
    from slipway.report.answers import release as answers

    if bool(flags.image) == bool(flags.plan):
        raise BadInputError("deploy needs an image or a plan", "pass --image or --plan")
    if flags.all:
        return await _deploy_all(flags, caller)
    if flags.without_certificate:
        raise BadInputError("--without-certificate is for the rollback of several services", "pass it with --all")
    environment = await _changed_environment(flags, caller)
    certificate = (await _evidence(flags, caller)).certificate
    with caller.run() as tell:
        if flags.plan:
            outcome = await environment.apply(await caller.record(Plan, flags.plan, "the plan"), tell, certificate)
        else:
            digest = environment.digest_of(_only(flags.image))
            outcome = await environment.deploy(digest, tell, certificate, older=flags.older)
    return answers.of_outcome(outcome)


@command(
    Group.RELEASE,
    "Take the digest that is live and healthy in one environment, and deploy it to another",
    AwsAccess.CHANGES,
    flags=(
        SOURCE,
        option(
            "from",
            "ENVIRONMENT",
            "the environment where the digest is live and healthy",
            required=True,
            not_on_dagger="the environment of the object",
        ),
        option("to", "ENVIRONMENT", "the environment that gets the digest", required=True),
        CERTIFICATE,
        WITHOUT_CERTIFICATE,
        WITHOUT_START,
        DRY_RUN,
        ENDPOINT,
    ),
    records=(AS_DEPLOY, AS_PLANNED),
    permissions=("promote-from", "promote-to", "webhook"),
)
async def promote(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.redeploy import plan_promotion, promote

    places = await caller.environment(flags.from_), await connected_to(flags, caller, flags.to)
    evidence = await _evidence(flags, caller)
    return await changed(
        flags, caller, lambda: plan_promotion(*places, evidence), lambda tell: promote(*places, tell, evidence)
    )


@command(
    Group.RELEASE,
    "Deploy an earlier release again, with its image and settings; the database is not migrated",
    AwsAccess.CHANGES,
    flags=(
        *ANYWHERE,
        option(
            "to",
            "NUMBER",
            "the deployment to go back to, by its number in `slipway history`; required after a rollback or an abort (default: the release that was live before; on ECS, while a deployment is in progress, `slipway abort` is run instead)",
            parse=int,
        ),
        switch(
            "image-only",
            "restore the image alone, with the settings of this folder instead of the recorded ones; not with --service, which reads no folder",
        ),
        replace(
            CERTIFICATE,
            sentence="a file that shows that the release to go back to works on the schema that the database has: proof.json of `slipway gate --report`, or the output of `slipway certificate`",
        ),
        WITHOUT_LEDGER,
        WITHOUT_CERTIFICATE,
        DRY_RUN,
    ),
    records=(AS_DEPLOY, AS_PLANNED),
    permissions=("rollback", "webhook"),
)
async def rollback(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.redeploy import plan_rollback, rollback

    if flags.image_only and vars(flags).get("service"):
        what = "--image-only keeps the settings of a folder, and with --service none are read"
        raise BadInputError(what, "run it in the service's folder, or leave out --image-only")
    environment, evidence = await _changed_environment(flags, caller), await _evidence(flags, caller)
    how = {"to": flags.to, "evidence": evidence, "image_only": flags.image_only}
    return await changed(
        flags, caller, lambda: plan_rollback(environment, **how), lambda tell: rollback(environment, tell, **how)
    )


@command(
    Group.RELEASE,
    "Migrate an environment's database to the newest revision in an image, or show its status",
    AwsAccess.CHANGES,
    flags=(
        *ENVIRONMENT,
        IMAGE,
        switch(
            "status",
            "show the database's head and the missing revisions; change nothing; exit code 1 when the database is ahead of the image",
        ),
        PROVEN,
        option(
            "database-url-from",
            "VARIABLE",
            "migrate from this machine, with the database's URL in this variable (default: as in [tool.slipway.environments.ENVIRONMENT.migration])",
            not_on_dagger="a function does not see the variables of your shell",
        ),
    ),
    records=(
        JsonRecord("migration"),
        JsonRecord("standing", "with `--status`; 1 when the database is ahead of the image"),
    ),
    permissions=("migrate-direct", "migrate-ecs-task"),
    more="A deployment migrates by itself where the settings name a runner.",
)
async def migrate(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.report.answers import release as answers

    evidence = await _evidence(flags, caller)
    environment = (await connected_to(flags, caller)).proven_by(evidence.certificate)
    runner = await environment.migrating(environment.digest_of(flags.image), url_from=flags.database_url_from)
    if flags.status:
        return answers.of_standing(await runner.standing(), environment.name)
    with caller.run() as tell:
        return answers.of_migration(await runner.migrate(tell), environment.name)


@command(
    Group.RELEASE,
    "Move a service from App Runner to ECS Express Mode without an outage; if that fails, App Runner serves all traffic again",
    AwsAccess.CHANGES,
    flags=(
        *ENVIRONMENT,
        option(
            "to",
            "ecs-express",
            "the platform to move to: start the move, or resume it",
            choices=("ecs-express",),
            required=True,
            one_of="direction",
        ),
        switch("back", "send all traffic back to App Runner", required=True, one_of="direction"),
        switch(
            "finish",
            "pause the App Runner service; refused until the new service has all traffic",
            required=True,
            one_of="direction",
        ),
        option(
            "confirm",
            "SERVICE",
            "repeat the service's name to delete permanently: the old service with --finish, the new one with --back",
            default="",
        ),
        DRY_RUN,
    ),
    records=(AS_DEPLOY, AS_PLANNED),
    permissions=("move", "webhook"),
    more="""\
[tool.slipway.environments.ENVIRONMENT.move] names the roles on ECS. slipway creates the ECS service from the image that is live on App Runner,
then shifts the traffic with weighted records of Route 53: 10, 50, 100 %, three minutes per step. Run move again to resume it.""",
)
async def move(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.move import moving
    from slipway.environment.move_plan import plan_back, plan_finish, plan_forward

    if sum(map(bool, (flags.to, flags.back, flags.finish))) != 1:
        raise BadInputError("move needs one direction", "pass --to ecs-express, --back or --finish")
    if flags.confirm and flags.to:
        raise BadInputError("--confirm deletes a service", "pass it with --back or --finish")
    environment = moving(await connected_to(flags, caller), has_moved=not flags.to)
    if flags.back:
        plan = partial(plan_back, environment, flags.confirm)
        return await changed(flags, caller, plan, partial(environment.back, confirmed=flags.confirm))
    if flags.finish:
        plan = partial(plan_finish, environment, flags.confirm)
        return await changed(flags, caller, plan, partial(environment.finish, confirmed=flags.confirm))
    return await changed(flags, caller, partial(plan_forward, environment), environment.forward)


async def _deploy_all(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.joint import images_of
    from slipway.records.joint import JointPlan
    from slipway.report.answers.release import of_joint_outcome

    if flags.certificate:
        remedy = "deploy the service that migrates with it, without --all, which keeps it in the ledger; then deploy the others with --all"
        raise BadInputError("a certificate is for one service and does not name it", remedy)
    if vars(flags).get("without_ledger"):
        what = "the ledgers hold the state of a release of several services, which cannot be resumed or rolled back without them"
        raise BadInputError(what, "deploy each service alone with --without-ledger, callees first")
    approved = await caller.record(JointPlan, flags.plan, "the plan") if flags.plan else None
    images = images_of(approved, flags.environment) if approved else flags.image or ()
    made = await _joint(flags, caller, images)
    made = replace(made, approved=approved, reason=flags.without_certificate, older=flags.older or bool(approved))
    with caller.run() as tell:
        return of_joint_outcome(await made.run(tell))


async def _joint(flags: Flags, caller: Caller, images: "Sequence[str]") -> "JointDeployment":
    """Return the joint release of several images. Raise BadInputError when the images and services do not match."""
    from slipway.environment.joint import joint_deployment

    opened = partial(caller.environment, flags.environment)
    return await joint_deployment(await caller.services(), flags.environment, images, opened)


def _only(images: list[str]) -> str:
    """Return the only image of a command for one service. Raise BadInputError when there is none, or more than one."""
    if len(images) == 1:
        return images[0]
    raise BadInputError(
        f"there are {len(images) or 'no'} images", "pass one, or --all to release several services as one"
    )


async def changed(
    flags: Flags,
    caller: Caller,
    plan: "Callable[[], Awaitable[Plan]]",
    run: "Callable[[Tell], Awaitable[Outcome]]",
) -> "CommandResult":
    """Run a change and return its outcome; with --dry-run, return its plan only."""
    from slipway.report.answers import release as answers

    if flags.dry_run:
        return answers.of_plan(await plan())
    with caller.run() as tell:
        return answers.of_outcome(await run(tell))


async def _changed_environment(flags: Flags, caller: Caller) -> "ServiceEnvironment":
    """Return the environment that a command changes. With --without-ledger it uses no ledger."""
    environment = await connected_to(flags, caller)
    return environment.doing_without_ledger(flags.without_ledger) if flags.without_ledger else environment


async def connected_to(flags: Flags, caller: Caller, name: str = "") -> "ServiceEnvironment":
    """Return an environment with the addresses of the services that its service calls.

    An environment that is read from the ledger has the addresses that the ledger recorded.
    """
    environment = await caller.environment(name or flags.environment)
    if not environment.settings.calls or vars(flags).get("service"):
        return environment
    from slipway.environment.called import connected

    return await connected(environment, await caller.services())


async def _evidence(flags: Flags, caller: Caller) -> "CompatibilityEvidence":
    """Return the evidence in the flags: a certificate, or one made from a proof, and the reason for a risk.

    Raise BadInputError when a file cannot be read, and RefusedError for a proof that yields no certificate.
    """
    import time

    from slipway.environment.redeploy import CompatibilityEvidence
    from slipway.local.certificate import certificate_in

    text = await caller.text(flags.certificate, "the certificate") if flags.certificate else None
    certificate = None if text is None else certificate_in(text, int(time.time()))
    return CompatibilityEvidence(certificate, vars(flags).get("without_certificate", ""))
