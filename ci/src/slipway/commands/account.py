"""Prepare an account: bootstrap, permissions, and the simulator with the suite that compares it with AWS."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from slipway.commands.command import AwsAccess, Caller, Flags, Group, JsonRecord, command, file, option, switch
from slipway.commands.flags import ENDPOINT, ENVIRONMENT, IMAGE, NAME, SOURCE, TARGETS
from slipway.errors import BadInputError

if TYPE_CHECKING:
    from slipway.release.bootstrap.template import StackTemplate
    from slipway.report.answers.result import CommandResult


@command(
    Group.ACCOUNT,
    "Show what an environment needs in its AWS account; create it with `--apply`",
    AwsAccess.CHANGES,
    flags=(
        *ENVIRONMENT,
        option(
            "github",
            "OWNER/NAME",
            "the repository whose jobs may deploy (default: [tool.slipway.github]); as OWNER@OWNER_ID/NAME@NAME_ID if GitHub's tokens contain its numbers",
        ),
        option(
            "template",
            "KIND",
            "print a template without calling AWS: `environment` (default: the service's resources in one environment), `shared` (those of all its environments), `foundation` (network and database)",
            choices=("environment", "shared", "foundation"),
            bare="environment",
            one_of="act",
        ),
        switch("apply", "create what is missing; without this flag it is only shown", one_of="act"),
        switch(
            "drift",
            "compare the account with the templates, and check that only the services reach the database and that private subnets have no route to the internet; with `--apply` undo the differences",
        ),
        replace(
            IMAGE,
            sentence="the image from which a task in the VPC reads or creates the roles of the database (default: the live one)",
            required=False,
        ),
        file(
            "plan",
            "with `--apply`: refuse any change but the one in this file, the output of `slipway bootstrap --json`",
        ),
        option(
            "replace",
            "RESOURCE",
            "with `--apply`: allow this resource, named as in the template, to be replaced or deleted with its contents. With RESOURCE.PROPERTY, such as Database.DBInstanceClass, allow that property to change although services of other repositories share it. Repeat it for more",
            repeated=True,
        ),
    ),
    records=(
        JsonRecord("bootstrap", "1 when a stack could not be created; without `--apply` nothing is created"),
        JsonRecord(
            "account-drift",
            "with `--drift`; 1 when something differs, or database or private services are not isolated",
        ),
    ),
    more="""\
On a server that bootstrap creates, each service has a database of its own and two roles: an owner, used by migrations only, and one
for the service, which reads and writes. A task in the VPC creates them, with the server's main user, from an image of the service.

A change that replaces or deletes a database, a secret, a repository, a log group, a VPC or a subnet is refused unless `--replace` names
it. A database that is deleted leaves a final snapshot.""",
    permissions=(),
)
async def bootstrap(flags: Flags, caller: Caller) -> "CommandResult":
    from slipway.environment.bootstrap import AccountSetup, with_repository
    from slipway.records.bootstrap import Bootstrap
    from slipway.release.bootstrap.template import check_same_foundation, stacks
    from slipway.report.answers import account as answers
    from slipway.report.answers.result import CommandResult
    from slipway.settings import ManagedNetwork, Settings
    from slipway.settings.calls import check_reachable, graph_of

    if (flags.plan or flags.replace) and not flags.apply:
        raise BadInputError("--plan and --replace are for --apply", "pass --apply, or leave them out")
    if flags.template and flags.drift:
        raise BadInputError("a template has no drift", "pass --template or --drift")
    settings = with_repository(await caller.settings(), flags.github)
    beside: list[Settings] = []
    if isinstance(settings.environment(flags.environment).network, ManagedNetwork):
        services = [*(await caller.services()).values()]
        check_same_foundation(services, flags.environment)
        beside = [each for each in services if each.name != settings.name and flags.environment in each.environments]
    if settings.calls and not flags.drift:
        check_reachable(graph_of(await caller.services()), settings.name, flags.environment)
    if flags.template:
        return CommandResult(record=None, text=_template(stacks(settings, flags.environment), flags))
    approved = await caller.record(Bootstrap, flags.plan, "the approved change") if flags.plan else None
    environment = await caller.environment(flags.environment)
    digest = environment.digest_of(flags.image) if flags.image else None
    if digest is None and settings.environment(flags.environment).database:
        digest = (await environment.status()).digest
    setup = AccountSetup(
        settings=settings,
        environment=flags.environment,
        aws=environment.aws,
        time=environment.time,
        digest=digest,
        beside=beside,
    )
    with caller.run() as tell:
        if flags.drift and not flags.apply:
            return answers.of_account_drift(await setup.drift(tell))
        if not flags.apply:
            return answers.of_bootstrap(await setup.propose(tell))
        named = tuple(flags.replace or ())
        return answers.of_bootstrap(await setup.apply(tell, approved=approved, replace=named, restores=flags.drift))


def _template(templates: "Sequence[StackTemplate]", flags: Flags) -> str:
    """Return the text of a template; raises BadInputError when the environment has no such stack."""
    for stack in templates:
        if stack.kind.value == flags.template:
            return stack.text
    raise BadInputError(
        f"{flags.environment} has no network or database of its own",
        f"add managed = true and cidr to network of [tool.slipway.environments.{flags.environment}]",
    )


@command(
    Group.ACCOUNT,
    "Print the IAM policy that commands need in an environment",
    flags=(
        SOURCE,
        NAME,
        option(
            "command",
            "COMMAND",
            "the policy for this command only; repeat it for several. `bootstrap` also covers `destroy --everything`, `bootstrap-drift` is for `bootstrap --drift` (default: all commands that the deploy role runs)",
            repeated=True,
        ),
        switch(
            "all",
            "one policy for all services of the repository that are in the environment, as a role needs for deploy --all",
        ),
    ),
    records=(JsonRecord("permissions"),),
)
async def permissions(flags: Flags, caller: Caller) -> "CommandResult":
    import json

    from slipway.errors import BadInputError
    from slipway.records.bootstrap import Permissions
    from slipway.release.bootstrap.own_policy import COMMANDS, own_policy
    from slipway.release.bootstrap.roles import DEPLOY_ROLE, joined, policy, scope_of
    from slipway.release.targets.supported import target_of
    from slipway.report.answers import account as answers

    commands = tuple(flags.command or DEPLOY_ROLE)
    every = [*(await caller.services()).values()] if flags.all else [await caller.settings()]
    services = [each for each in every if not flags.all or flags.environment in each.environments]
    if not services:
        raise BadInputError(f"no service is in {flags.environment!r:.60}", "correct --environment")
    lacking = {
        verb.value: why for each in services for verb, why in target_of(each, flags.environment).impossible.items()
    }
    if impossible := [name for name in flags.command or () if name in lacking]:
        raise BadInputError(f"the platform of {flags.environment} has no {impossible[0]}", lacking[impossible[0]])
    others = [name for name in commands if name not in COMMANDS]
    policies = [policy(scope_of(each, flags.environment), others) for each in services if others]
    policies += [
        own_policy(each, flags.environment, name) for each in services for name in commands if name in COMMANDS
    ]
    document = json.dumps(joined(policies) if len(policies) > 1 else policies[0], indent=2)
    return answers.of_permissions(Permissions(flags.environment, commands, document))


@command(
    Group.ACCOUNT,
    "Run a simulated AWS account; while it runs, `simulator push` adds a release to it, and `simulator faults` injects failures of its API",
    flags=(
        option(
            "action",
            "run|push|faults",
            "run: start an account (default); push: build the newest commit of a service into a running account; faults: replace the faults of a running account by those of --faults",
            positional=True,
            choices=("run", "push", "faults"),
            default="run",
        ),
        option("port", "N", "the port on 127.0.0.1 (default: a free one)", parse=int, default=0),
        option(
            "speed",
            "FACTOR",
            "platform seconds per real second (default: 1); releases still start at real speed, so a factor of more than 60 can make their health checks fail",
            parse=float,
            default=1.0,
        ),
        file("state", "with run: the repositories, roles and secrets that the account has at the start"),
        file("faults", "with run and faults: the calls that will be throttled or lose their answer (default: none)"),
        replace(SOURCE, sentence=f"with push: {SOURCE.sentence}"),
        replace(ENDPOINT, sentence="with push and faults: the URL of the running account"),
    ),
    records=(
        JsonRecord(
            "listening", "in one line, as soon as it accepts calls; it runs until it is ended. Also of `faults`"
        ),
        JsonRecord("image", "of `push`"),
    ),
    more="""\
Clients sign in with the access key `simulated`.

`slipway simulator push --endpoint-url URL` needs no container engine: the release is the source tree of the commit, with the
dependencies of its lock file. It prints REPOSITORY@DIGEST for `slipway deploy`.""",
    not_on_dagger="it serves programs on this machine; Dagger takes its address as an endpoint",
)
async def simulator(flags: Flags, caller: Caller) -> "CommandResult | None":
    from slipway.local.simulator import Beginning, put_faults, simulate
    from slipway.report.answers import account as answers

    if flags.action == "push":
        from slipway.rehearsal.commits import push

        return answers.of_pushed(await push(flags.source, flags.endpoint_url))
    beginning = Beginning.of(flags.state, flags.faults, os.environ)
    if flags.action == "faults":
        return answers.of_faults(await put_faults(beginning.faults, flags.endpoint_url), len(beginning.faults.fault))
    await simulate(flags.port, flags.speed, lambda address: caller.say(answers.of_listening(address)), beginning)
    return None


@command(
    Group.ACCOUNT,
    "Check slipway's assumptions about AWS against the simulator or, with `--account`, against a real account",
    AwsAccess.CHANGES,
    flags=(
        option(
            "target",
            "TARGET",
            "the platform to compare: app-runner or ecs-express (default: app-runner)",
            choices=TARGETS,
            default="app-runner",
        ),
        option("account", "NUMBER", "a real account, by its twelve digits"),
        option("region", "REGION", "the region (default: the one of the AWS profile)"),
        switch("yes", "agree to what will be created and what it costs"),
        switch("estimate", "only print what would be created and what it costs"),
        switch("clean-up", "only delete what earlier runs left; it is found by name and tag, log groups by name alone"),
        option("image", "IMAGE", "the image of the services (default: AWS's sample in ECR Public)"),
        option("port", "N", "with --image: the port it listens on (default: 8000)", parse=int, default=8000),
        option("start-command", "COMMAND", "with --image: the command that starts it", default=""),
        option("access-role", "ARN", "with an --image in a private repository: the role that pulls it"),
        option("execution-role", "ARN", "on ECS Express Mode: the role that starts the tasks", default=""),
        option("infrastructure-role", "ARN", "on ECS Express Mode: the role that makes the load balancer", default=""),
        replace(
            ENDPOINT,
            sentence="with --account: call this AWS emulator instead; its answers confirm nothing about AWS",
        ),
    ),
    records=(
        JsonRecord("conformance", "1 when something differs, 3 when something was not reached or not deleted"),
        JsonRecord("estimate", "with `--estimate`"),
        JsonRecord("left", "with `--clean-up`; 3 when something could not be deleted"),
    ),
    more="""\
The expectations come from AWS's documentation, reports of users and assumptions; each result names its source. Without --account the
suite checks the simulator itself: that takes seconds and touches nothing. With --account it creates services in a real account, takes
them through every state that can be reached from outside, and deletes them. It first prints what it will create and what that costs,
and creates nothing until you pass --yes or type the account's number. After an interruption it waits for operations in progress, then
deletes everything. A second interruption ends it at once; --clean-up deletes what was left.

Account numbers and ARNs are removed from all records.""",
    not_on_dagger="a person agrees to what it creates and costs in a real account",
    permissions=(),
)
async def conformance(flags: Flags, _caller: Caller) -> "CommandResult":
    from slipway.conformance.service import ProbeImage
    from slipway.local.conformance import SIMULATED_ROLES, Consent, in_no_time, permitted, suite_of
    from slipway.local.prompt import check_agreed
    from slipway.records.conformance import Left
    from slipway.report.answers import account as answers
    from slipway.report.text import of_estimate

    image = ProbeImage(flags.image, flags.port, flags.start_command, flags.access_role) if flags.image else ProbeImage()
    creates = flags.account is not None and not flags.estimate and not flags.clean_up
    roles = (flags.execution_role, flags.infrastructure_role) if creates else SIMULATED_ROLES
    suite = suite_of(flags.target, image, *roles)
    if flags.estimate:
        return answers.of_estimate(suite.estimate())
    if flags.account is None:
        if flags.yes or flags.clean_up or flags.endpoint_url or flags.region:
            raise BadInputError("no account is named", "pass its twelve digits with --account")
        async with in_no_time() as (simulated, _):
            return answers.of_conformance(await suite.conform(simulated, _tell(flags)))
    account = await permitted(Consent(flags.account, flags.region, flags.endpoint_url))
    where = f"account {flags.account}, {account.region}"
    if flags.clean_up:
        what = f"Everything that earlier runs left in {where} will be deleted, including a run in progress.\n"
        check_agreed(what, flags.account, yes=flags.yes)
        return answers.of_left(Left(await suite.clean(account, None, _tell(flags))))
    check_agreed(of_estimate(suite.estimate(), where), flags.account, yes=flags.yes)
    return answers.of_conformance(await suite.conform(account, _tell(flags)))


def _tell(flags: Flags) -> Callable[[str], None]:
    return (lambda _line: None) if flags.quiet else partial(print, file=sys.stderr, flush=True)
