"""Bootstrap: propose and create the stacks that an environment needs in its AWS account."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from dataclasses import replace as with_values

from slipway.errors import RefusedError, SlipwayError, together
from slipway.records.bootstrap import Bootstrap, DatabaseChange, DoorChange, ResourceChange, Result, StackChange
from slipway.records.drift import AccountDrift
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.access import Access, ids_of
from slipway.release.bootstrap.change_set import StackChangeSet
from slipway.release.bootstrap.deletion import StackDeletion
from slipway.release.bootstrap.doors import Door, close, doors_of
from slipway.release.bootstrap.drift import NOT_COVERED, detect
from slipway.release.bootstrap.enclosure import Enclosure, enclose, enclosure_of
from slipway.release.bootstrap.existing import check_new, roles_added_by
from slipway.release.bootstrap.prices import cost_of
from slipway.release.bootstrap.server import database_name, owner_name
from slipway.release.bootstrap.template import CALLER, INGRESS, StackKind, StackTemplate, stacks
from slipway.release.engine.target import Time
from slipway.release.errors import AwsRefusedError
from slipway.release.placement import VPC, imports_of
from slipway.settings import Github, MadeNetwork, Settings, SettingsError
from slipway.structure import MismatchError


@dataclass(frozen=True)
class AccountSetup:
    """The AWS account of one environment, before anything is deployed there."""

    settings: Settings
    environment: str
    aws: Aws
    time: Time
    digest: str | None = None  # of the image whose task makes the database's roles

    async def stacks(self) -> tuple[StackTemplate, ...]:
        """Return the stacks; raises RefusedError if the credentials belong to another account."""
        caller = (await self.aws.call("sts", "get_caller_identity"))["Account"]
        account = self.settings.environment(self.environment).account
        if caller != account:
            raise RefusedError(
                f"the AWS credentials are of the account {caller}, and {self.environment} is in {account}",
                "sign in there",
            )
        return self._templates

    @property
    def _templates(self) -> tuple[StackTemplate, ...]:
        return stacks(self.settings, self.environment)

    async def propose(self, tell: Callable[[Event], None]) -> Bootstrap:
        """Return what would change, and delete the change sets; raises SlipwayError."""
        async with AsyncExitStack() as opened:
            proposals = [proposal for _, proposal in await self._proposed(opened, tell)]
        return self._report(proposals, await self._database(tell), await self._doors(makes=False))

    async def drift(self, tell: Callable[[Event], None]) -> AccountDrift:
        """Compare the account with the templates of its stacks; raises SlipwayError."""
        network = self.settings.environment(self.environment).network
        private = isinstance(network, MadeNetwork) and network.private
        return AccountDrift(
            environment=self.environment,
            stacks=tuple([await detect(self.aws, stack, self.time) for stack in await self.stacks()]),
            breaches=(
                *(await self._enclosure(tell)).breaches(private=private),
                *(breach for door in await self._open_doors() for breach in door.breaches()),
            ),
            not_covered=NOT_COVERED,
            database=await self._database(tell),
        )

    async def apply(
        self,
        tell: Callable[[Event], None],
        *,
        approved: Bootstrap | None = None,
        replace: Sequence[str] = (),
        restores: bool = False,
    ) -> Bootstrap:
        """Create what is missing, stack by stack, and stop after one that fails; `restores` also undoes drift.

        Before the first, refuse what was not `approved`, and the loss of a resource that `replace` does not name; raises SlipwayError.
        """
        changes: list[StackChange] = []
        async with AsyncExitStack() as opened:
            proposed = await self._proposed(opened, tell, restores=restores)
            if approved:
                proposals = [proposal for _, proposal in proposed]
                now = self._report(proposals, await self._database(tell), await self._doors(makes=False))
                check_approved(now, approved)
            check_losses([proposal for _, proposal in proposed], replace)
            for change_set, proposal in proposed:
                current = await opened.enter_async_context(change_set.proposed()) if proposal.waits_for else proposal
                is_proposed = current.result is Result.PROPOSED
                changes.append(await change_set.execute(current) if is_proposed else current)
                if not changes[-1].result.is_well:
                    return self._report(changes, None, ())
            for line in await enclose(self.aws, await self._enclosure(tell)) if restores else ():
                tell(Event(line))
        return self._report(changes, await self._database(tell, makes=True), await self._doors(makes=True))

    def _report(
        self, changes: Iterable[StackChange], database: DatabaseChange | None, doors: Iterable[DoorChange]
    ) -> Bootstrap:
        cost = cost_of(self.settings, self.environment)
        return Bootstrap(self.environment, tuple(changes), cost, database, tuple(doors))

    async def _doors(self, *, makes: bool) -> list[DoorChange]:
        """Return what is open to others than callers, or closed to callers, and mend it if `makes`."""
        doors = await self._open_doors()
        if makes:
            for door in doors:
                await close(self.aws, door)
        return [door.change(Result.APPLIED if makes else Result.PROPOSED) for door in doors]

    async def _open_doors(self) -> list[Door]:
        """Return the load balancers in the network that bootstrap made; none in a team's own, which may have other uses."""
        foundation = self._foundation
        vpc = (await ids_of(self.aws, foundation.name)).get(VPC) if foundation else None
        return await doors_of(self.aws, vpc) if vpc else []

    async def _enclosure(self, tell: Callable[[Event], None]) -> Enclosure:
        """Read what surrounds the database that bootstrap made; each service in the environment has a stack that opens it to the service."""
        foundation = self._foundation
        if foundation is None:
            return Enclosure(ids={}, callers=frozenset())
        importers = await StackDeletion(self.aws, foundation, self.time, tell).importers()
        services = [await ids_of(self.aws, stack) for stack in importers]
        callers = {ids[CALLER] for ids in services if CALLER in ids and INGRESS in ids}
        return await enclosure_of(self.aws, await ids_of(self.aws, foundation.name), callers)

    @property
    def _foundation(self) -> StackTemplate | None:
        """The stack of the network that bootstrap made; None where that is a team's own."""
        if not isinstance(self.settings.environment(self.environment).network, MadeNetwork):
            return None
        return next(each for each in self._templates if each.kind is StackKind.FOUNDATION)

    async def _database(self, tell: Callable[[Event], None], *, makes: bool = False) -> DatabaseChange | None:
        """Read the database and its roles, and make them if `makes`; None where bootstrap has made none."""
        if self.settings.environment(self.environment).database is None:
            return None
        access = await Access.of(self.aws, self.time, self.settings, self.environment, self._templates)
        return await changed(access, self.digest, tell, makes=makes)

    async def _proposed(
        self, opened: AsyncExitStack, tell: Callable[[Event], None], *, restores: bool = False
    ) -> list[tuple[StackChangeSet, StackChange]]:
        """Return the change set of each stack, with what it would change; one that must wait is not opened.

        Raises RefusedError with every role that they would make and that exists already.
        """
        proposals: list[tuple[StackChangeSet, StackChange]] = []
        roles: list[str] = []
        for stack in await self.stacks():
            change_set = StackChangeSet(self.aws, stack, self.time, tell, restores=restores)
            missing = _missing(stack, [proposal for _, proposal in proposals])
            proposal = _waiting(stack, missing) if missing else await opened.enter_async_context(change_set.proposed())
            proposals.append((change_set, proposal))
            roles += roles_added_by(stack, proposal)
        await check_new(self.aws, roles)
        return proposals


def _missing(stack: StackTemplate, before: Sequence[StackChange]) -> str | None:
    """Return the stack, not yet created, whose exports a template imports."""
    beneath = [change for change in before if change.is_new and change.result is Result.PROPOSED]
    needed = imports_of(stack.template)
    return next((each.stack for each in beneath if any(name.startswith(f"{each.stack}-") for name in needed)), None)


def _waiting(stack: StackTemplate, missing: str) -> StackChange:
    """Return the proposal for a stack that CloudFormation cannot compute yet: it imports from one that does not exist."""
    resources = stack.template["Resources"].items()
    return StackChange(
        stack=stack.name,
        region=stack.region,
        result=Result.PROPOSED,
        is_new=True,
        changes=tuple(ResourceChange(action="Add", name=name, kind=made["Type"]) for name, made in resources),
        template=stack.digest,
        waits_for=missing,
    )


def check_losses(changes: Iterable[StackChange], named: Sequence[str]) -> None:
    """Raise an error with every resource that a change would destroy and that is not named."""
    refused = [
        RefusedError(
            f"the change of {stack.stack} {change.loss} {change.name} ({change.physical})",
            f"if its contents may be lost, pass --replace {change.name}",
        )
        for stack in changes
        for change in stack.changes
        if change.loss and change.name not in named
    ]
    if refused:
        what, next_step = together(refused)
        raise RefusedError(what, next_step)


async def changed(access: Access, digest: str | None, tell: Callable[[Event], None], *, makes: bool) -> DatabaseChange:
    """Run the task that reads or makes the database and its roles, and return how it ended; an error is part of that."""
    change = DatabaseChange(
        name=database_name(access.settings.name), owner=owner_name(access.settings.name), result=Result.WAITING
    )
    if access.missing:
        return with_values(change, reason="the stacks come first, with its server and secrets")
    if digest is None:
        reason = "no image is live whose task in the VPC could make or read it; push one, and name it with --image"
        return with_values(change, reason=reason)
    try:
        answer = await access.run(digest, tell, makes=makes)
    except SlipwayError as error:
        # A role that may only read finds the drift of the stacks; this is reported as not checked.
        is_denied = any(isinstance(each, AwsRefusedError) and each.is_denied for each in (error, error.__cause__))
        return with_values(
            change, result=change.result if is_denied and not makes else Result.FAILED, reason=str(error)
        )
    if not answer.differences:
        return with_values(change, result=Result.UNCHANGED)
    is_by_hand = any(each.remedy for each in answer.differences)
    result = Result.FAILED if is_by_hand else Result.APPLIED if answer.is_made else Result.PROPOSED
    return with_values(change, result=result, differences=answer.differences)


def check_approved(now: Bootstrap, approved: Bootstrap) -> None:
    """Raise RefusedError unless the changes are those that were approved."""
    if approved.environment != now.environment:
        raise RefusedError(
            f"the approved change is one of {approved.environment}, not of {now.environment}",
            "pass the file of this environment",
        )
    before = {change.stack: change for change in approved.stacks}
    other = [change.stack for change in now.stacks if before.get(change.stack) != change]
    if now.doors != approved.doors:
        other.append("the load balancers")
    if now.database and now.database != approved.database:
        other.append(f"the database {now.database.name}")
    if other:
        raise RefusedError(
            f"the change of {', '.join(other)} is not the approved one: the settings or the account have changed since",
            "show it again without --apply, and have that approved",
        )


def with_repository(settings: Settings, repository: str | None) -> Settings:
    """Return the settings with another GitHub repository; raises SettingsError."""
    if repository is None:
        return settings
    try:
        github = with_values(settings.github, repository=repository) if settings.github else Github(repository)
    except MismatchError as error:
        raise SettingsError("--github", error.problem) from error
    return with_values(settings, github=github)
