"""Release: preflight, plan, deploy, promote, rollback, migrate."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.commands.command import Caller, Command, Effect, Flag, Flags, Group, Result
from slipway.commands.flags import (
    CERTIFICATE,
    DRY_RUN,
    ENDPOINT,
    ENVIRONMENT,
    IMAGE,
    SOURCE,
    WITHOUT_PROOF,
    WITHOUT_START,
)

if TYPE_CHECKING:
    from slipway.environment.evidence import CompatibilityEvidence
    from slipway.report.answers import CommandResult

AS_DEPLOY = Result("outcome", "as for `deploy`")
AS_PLANNED = Result("plan", "with `--dry-run`; 1 when it is blocked")


async def preflight(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.preflight import preflight
    from slipway.report import answers

    environment = await caller.environment(flags.environment)
    spec = environment.spec(environment.digest_of(flags.image))
    return answers.of_preflight(await preflight(environment.aws, spec, environment.settings))


async def plan(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.report import answers

    environment = await caller.environment(flags.environment)
    return answers.of_plan(await environment.plan(environment.digest_of(flags.image)))


async def deploy(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.errors import BadInputError
    from slipway.records.plan import Plan
    from slipway.report import answers

    if bool(flags.image) == bool(flags.plan):
        raise BadInputError("deploy needs one thing to deploy", "pass either --image or --plan")
    environment = await caller.environment(flags.environment)
    certificate = (await _evidence(flags, caller)).certificate
    with caller.run() as tell:
        if flags.plan:
            outcome = await environment.apply(await caller.record(Plan, flags.plan, "the plan"), tell, certificate)
        else:
            outcome = await environment.deploy(environment.digest_of(flags.image), tell, certificate)
    return answers.of_outcome(outcome)


async def promote(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.promote import plan_promotion, promote
    from slipway.report import answers

    origin, target = await caller.environment(flags.from_), await caller.environment(flags.to)
    evidence = await _evidence(flags, caller)
    if flags.dry_run:
        return answers.of_plan(await plan_promotion(origin, target, evidence))
    with caller.run() as tell:
        return answers.of_outcome(await promote(origin, target, tell, evidence))


async def rollback(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.rollback import plan_rollback, rollback
    from slipway.report import answers

    environment, evidence = await caller.environment(flags.environment), await _evidence(flags, caller)
    if flags.dry_run:
        return answers.of_plan(await plan_rollback(environment, flags.to, evidence))
    with caller.run() as tell:
        return answers.of_outcome(await rollback(environment, tell, flags.to, evidence))


async def migrate(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.report import answers

    environment = await caller.environment(flags.environment)
    runner = await environment.migrating(environment.digest_of(flags.image), url_from=flags.database_url_from)
    if flags.status:
        return answers.of_standing(await runner.look(), environment.name)
    with caller.run() as tell:
        return answers.of_migration(await runner.migrate(tell), environment.name)


async def _evidence(flags: Flags, caller: Caller) -> "CompatibilityEvidence":
    """Read the certificate and the reason passed; raises BadInputError."""
    from slipway.environment.evidence import CompatibilityEvidence
    from slipway.records.certificate import Certificate

    file = flags.certificate
    certificate = await caller.record(Certificate, file, "the certificate") if file else None
    return CompatibilityEvidence(certificate, vars(flags).get("without_proof", ""))


PREFLIGHT = Command(
    name="preflight",
    group=Group.RELEASE,
    sentence="Check what can be checked before a deployment, and list what cannot; change nothing",
    effect=Effect.READS,
    flags=(*ENVIRONMENT, IMAGE),
    results=(Result("preflight", "1 when a check refuses the release; what is not covered does not count"),),
    run=preflight,
    rights=("preflight",),
)
PLAN = Command(
    name="plan",
    group=Group.RELEASE,
    sentence="Show what a deployment would change; change nothing",
    effect=Effect.READS,
    flags=(*ENVIRONMENT, IMAGE),
    results=(Result("plan", "1 when it is blocked"),),
    run=plan,
    rights=("plan",),
    never_red="it returns the folder with plan.json, plan.txt and summary.md, also of a blocked plan",
)
DEPLOY = Command(
    name="deploy",
    group=Group.RELEASE,
    sentence="Deploy an image or an approved plan; succeeds only when the release is live and healthy",
    effect=Effect.CHANGES,
    flags=(
        *ENVIRONMENT,
        replace(IMAGE, one_of="release"),
        Flag(
            name="plan",
            metavar="FILE",
            parse=Path,
            one_of="release",
            sentence="an approved plan (plan.json) instead of an image; refused when it is out of date",
        ),
        CERTIFICATE,
        WITHOUT_START,
    ),
    results=(Result("outcome", "0 for SUCCEEDED and NOOP, 3 for UNKNOWN, 1 for every other status"),),
    run=deploy,
    rights=("deploy",),
)
PROMOTE = Command(
    name="promote",
    group=Group.RELEASE,
    sentence="Deploy the digest that is live and healthy in one environment to another",
    effect=Effect.CHANGES,
    flags=(
        SOURCE,
        Flag(
            name="from",
            metavar="NAME",
            required=True,
            sentence="the environment where the digest is live and healthy",
            not_on_dagger="the environment of the object",
        ),
        Flag(name="to", metavar="NAME", required=True, sentence="the environment that gets the digest"),
        CERTIFICATE,
        WITHOUT_PROOF,
        WITHOUT_START,
        DRY_RUN,
        ENDPOINT,
    ),
    results=(AS_DEPLOY, AS_PLANNED),
    run=promote,
    rights=("promote-from", "promote-to"),
)
ROLLBACK = Command(
    name="rollback",
    group=Group.RELEASE,
    sentence="Deploy a recorded release again, by digest; the database is not migrated",
    effect=Effect.CHANGES,
    flags=(
        *ENVIRONMENT,
        Flag(
            name="to",
            metavar="NUMBER",
            parse=int,
            sentence="the deployment to go back to, by its number in `slipway history` (default: the one live before)",
        ),
        CERTIFICATE,
        WITHOUT_PROOF,
        DRY_RUN,
    ),
    results=(AS_DEPLOY, AS_PLANNED),
    run=rollback,
    rights=("rollback",),
)
MIGRATE = Command(
    name="migrate",
    group=Group.RELEASE,
    sentence="Migrate an environment's database to the head of an image, or show its status",
    effect=Effect.CHANGES,
    flags=(
        *ENVIRONMENT,
        IMAGE,
        Flag(
            name="status",
            sentence="show the database's head and the missing revisions; change nothing; exit code 1 when the database is ahead of the image",
        ),
        Flag(
            name="database-url-from",
            metavar="NAME",
            sentence="migrate from this machine, with the database's URL in this variable (default: as in [tool.slipway.environments.NAME.migration])",
            not_on_dagger="a function does not see the variables of your shell",
        ),
    ),
    results=(
        Result("migration"),
        Result("standing", "with `--status`; 1 when the database is ahead of the image"),
    ),
    run=migrate,
    rights=("migrate-direct", "migrate-ecs-task"),
)
