"""Bootstrap: propose and create the stacks that an environment needs in its AWS account."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from dataclasses import replace as with_values
from typing import Any

from slipway.errors import RefusedError, SlipwayError
from slipway.records.bootstrap import Bootstrap, DatabaseChange, DoorChange, ResourceChange, Result, StackChange
from slipway.records.cost import Cost
from slipway.records.drift import AccountDrift
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.access import Access, ids_of
from slipway.release.bootstrap.change_set import REVIEWED, StackChangeSet, describe_stack, template_of
from slipway.release.bootstrap.deletion import DATABASE, StackDeletion
from slipway.release.bootstrap.doors import Door, callers_of, close, doors_of, withdraw
from slipway.release.bootstrap.drift import NOT_COVERED, detect
from slipway.release.bootstrap.enclosure import enclose, enclosure_of
from slipway.release.bootstrap.existing import check_new, roles_added_by
from slipway.release.bootstrap.losses import SharedChange, check_losses, exports
from slipway.release.bootstrap.network import task_subnets, tasks_place
from slipway.release.bootstrap.server import database_name, owner_name
from slipway.release.bootstrap.template import CALLER, StackKind, StackTemplate, stacks
from slipway.release.engine.target import Time
from slipway.release.errors import AwsRefusedError
from slipway.release.placement import VPC, imports_of, stack_name
from slipway.release.prices import cost_of
from slipway.release.targets.supported import target_of
from slipway.settings import Github, ManagedNetwork, Settings, SettingsError
from slipway.structure import MismatchError


@dataclass(frozen=True, kw_only=True)
class _Made:
    """The ids of the resources that bootstrap's stacks have created, by the resources' names in the templates.

    - foundation: the resources in the network's stack.
    - own: the resources in the service's stack.
    - services: the resources of each stack that imports from the network's stack.
    """

    foundation: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AccountSetup:
    """The AWS account of one environment, with the stacks that bootstrap creates there."""

    settings: Settings
    environment: str
    aws: Aws
    time: Time
    digest: str | None = None  # the image whose task creates the database's roles
    # The repository's other services in the environment. Their settings describe the same network and database.
    beside: Collection[Settings] = ()

    async def stacks(self) -> tuple[StackTemplate, ...]:
        """Return the stacks. Raise RefusedError when the credentials belong to another account."""
        caller = (await self.aws.call("sts", "get_caller_identity"))["Account"]
        account = self.settings.environment(self.environment).account
        if caller != account:
            raise RefusedError(
                f"the AWS credentials are of the account {caller}, and {self.environment} is in {account}",
                "sign in there",
            )
        return self._templates

    @property
    def _managed(self) -> ManagedNetwork | None:
        """The settings of the network that bootstrap creates; None when the team has its own, or no network is set."""
        network = self.settings.environment(self.environment).network
        return network if isinstance(network, ManagedNetwork) else None

    @property
    def _templates(self) -> tuple[StackTemplate, ...]:
        return stacks(self.settings, self.environment)

    @property
    def _cost(self) -> Cost:
        return cost_of(self.settings, self.environment, self.beside)

    async def propose(self, tell: Callable[[Event], None]) -> Bootstrap:
        """Return the proposed changes, and delete their change sets. Raise SlipwayError when they cannot be computed."""
        async with AsyncExitStack() as opened:
            proposals = [proposal for _, proposal in await self._proposed(opened, tell)]
        return await self._report(proposals, tell)

    async def drift(self, tell: Callable[[Event], None]) -> AccountDrift:
        """Compare the account with the templates of its stacks. Raise SlipwayError when the account cannot be read."""
        private = self._managed is not None and self._managed.private
        stacks = tuple([await detect(self.aws, stack, self.time) for stack in await self.stacks()])
        made = await self._made(tell)
        enclosure = await enclosure_of(self.aws, made.foundation, made.services)
        doors = await self._open_doors(made)
        misplaced = await self._misplaced(made)
        # the settings differ from the account, which may still be isolated as the settings say
        if misplaced and not private:
            stacks = (*stacks[:-1], with_values(stacks[-1], unapplied=tuple(misplaced)))
        return AccountDrift(
            environment=self.environment,
            stacks=stacks,
            breaches=(
                *enclosure.breaches(private=private),
                *(breach for door in doors for breach in door.breaches()),
                *(misplaced if private else ()),
            ),
            not_covered=NOT_COVERED,
            database=await self._database(made, tell, makes=False),
        )

    async def _misplaced(self, made: _Made) -> list[str]:
        """Return a sentence when the live service is in other subnets of bootstrap's network than its settings say."""
        network = self._managed
        if network is None or VPC not in made.foundation:
            return []
        connect = target_of(self.settings, self.environment).connect
        observed = await connect(self.settings, self.environment, self.aws, self.time).observe()
        live = observed.fields.get("subnets", "")
        wanted = [made.foundation[name] for name in task_subnets(network)]
        if not live or {*live.split(", ")} <= {*wanted}:
            return []
        service, table = self.settings.service_name(self.environment), f"[tool.slipway.environments.{self.environment}]"
        kind = "private" if network.private else "public"
        problem = f"the service {service} is in other subnets ({live}) than the {kind} ones ({', '.join(wanted)})"
        return [f"{problem}; write these as subnets into {table}, and deploy"]

    async def apply(
        self,
        tell: Callable[[Event], None],
        *,
        approved: Bootstrap | None = None,
        replace: Sequence[str] = (),
        restores: bool = False,
    ) -> Bootstrap:
        """Create what is missing, one stack after the other, and stop after a failure.

        With `restores` also undo drift.
        Before the first change, raise RefusedError for changes that were not `approved`, and for the loss of a resource
        that `replace` does not name.
        """
        changes: list[StackChange] = []
        async with AsyncExitStack() as opened:
            proposed = await self._proposed(opened, tell, replace=replace, restores=restores)
            if approved:
                check_approved(await self._report([proposal for _, proposal in proposed], tell), approved)
            check_losses([proposal for _, proposal in proposed], replace)
            for change_set, proposal in proposed:
                current = await opened.enter_async_context(change_set.proposed()) if proposal.waits_for else proposal
                check_losses([current], replace)
                is_proposed = current.result is Result.PROPOSED
                changes.append(await change_set.execute(current) if is_proposed else current)
                if not changes[-1].result.is_well:
                    return Bootstrap(environment=self.environment, stacks=self._told(changes), cost=self._cost)
            if restores:
                made = await self._made(tell)
                for line in await enclose(self.aws, await enclosure_of(self.aws, made.foundation, made.services)):
                    tell(Event(line))
        return await self._report(changes, tell, makes=True)

    async def _report(
        self, changes: Iterable[StackChange], tell: Callable[[Event], None], *, makes: bool = False
    ) -> Bootstrap:
        """Return the changes of stacks, database and load balancers.

        With `makes`, also apply those of database and load balancers.
        """
        made = await self._made(tell)
        database = await self._database(made, tell, makes=makes)
        doors = await self._doors(made, makes=makes)
        return Bootstrap(
            environment=self.environment,
            stacks=self._told(changes),
            cost=self._cost,
            database=database,
            doors=tuple(doors),
        )

    def _told(self, changes: Iterable[StackChange]) -> tuple[StackChange, ...]:
        """Return the changes without the outputs that only services with the other value of `private` need."""
        if self._managed is None:
            return tuple(changes)
        other = tasks_place(private=not self._managed.private)
        return tuple(
            with_values(each, outputs={place: value for place, value in each.outputs.items() if place != other})
            for each in changes
        )

    async def _doors(self, made: _Made, *, makes: bool) -> list[DoorChange]:
        """Return the load balancers that admit others than the callers, or not all callers. With `makes`, correct them."""
        doors = await self._open_doors(made)
        if makes:
            for door in doors:
                await close(self.aws, door)
        return [door.change(Result.APPLIED if makes else Result.PROPOSED) for door in doors]

    async def callers(self) -> tuple[str, ...]:
        """Return the services that call this service in the network that bootstrap created."""
        vpc, _ = await self._network()
        return await callers_of(self.aws, vpc, self.settings.name) if vpc else ()

    async def withdraw(self) -> None:
        """Remove the rules that admit this service to private services, so that its security group can be deleted."""
        vpc, group = await self._network()
        if vpc and group:
            for door in await doors_of(self.aws, vpc):
                await withdraw(self.aws, door, group)

    async def _network(self) -> tuple[str, str]:
        """Return the ids of the network that bootstrap created and of the service's security group; empty texts when they do not exist."""
        if self._managed is None:
            return "", ""
        stacks = {each.kind: each.name for each in self._templates}
        made = [await ids_of(self.aws, stacks[kind]) for kind in (StackKind.FOUNDATION, StackKind.ENVIRONMENT)]
        return made[0].get(VPC, ""), made[1].get(CALLER, "")

    async def _open_doors(self, made: _Made) -> list[Door]:
        """Return the load balancers in the network that bootstrap created.

        Return none in a team's own network, where they may have other uses.
        """
        return await doors_of(self.aws, made.foundation[VPC]) if VPC in made.foundation else []

    async def _made(self, tell: Callable[[Event], None]) -> _Made:
        """Read which resources the stacks have created in the account."""
        if self._managed is None:
            return _Made()
        stacks = {each.kind: each for each in self._templates}
        foundation = stacks[StackKind.FOUNDATION]
        importers = await StackDeletion(self.aws, foundation, self.time, tell).users()
        services = {name: await ids_of(self.aws, name) for name in importers}
        own = services.get(stacks[StackKind.ENVIRONMENT].name, {})
        return _Made(foundation=await ids_of(self.aws, foundation.name), services=services, own=own)

    async def _database(self, made: _Made, tell: Callable[[Event], None], *, makes: bool) -> DatabaseChange | None:
        """Read the database and its roles; with `makes`, create them.

        Return None when the settings have no managed database.
        """
        if self.settings.environment(self.environment).database is None:
            return None
        access = Access(
            aws=self.aws,
            time=self.time,
            settings=self.settings,
            environment=self.environment,
            ids={**made.foundation, **made.own},
        )
        return await changed(access, self.digest, tell, makes=makes)

    async def _proposed(
        self,
        opened: AsyncExitStack,
        tell: Callable[[Event], None],
        *,
        replace: Sequence[str] = (),
        restores: bool = False,
    ) -> list[tuple[StackChangeSet, StackChange]]:
        """Return the change set of each stack with its changes.

        A stack that must wait for another one gets no change set.
        Raise RefusedError with every role that already exists, and when another service would lose something.
        """
        proposals: list[tuple[StackChangeSet, StackChange]] = []
        roles, awaited, is_last = dict[str, StackTemplate](), dict[str, str](), False
        for stack in await self.stacks():
            change_set = StackChangeSet(self.aws, stack, self.time, tell, restores=restores)
            proposal = await self._waiting(stack, awaited)
            if proposal is None:
                proposal = await opened.enter_async_context(change_set.proposed())
            added = {change.name for change in proposal.changes if change.action == "Add"}
            awaited |= {export: stack.name for export, name in exports(stack).items() if name in added}
            proposals.append((change_set, proposal))
            roles |= dict.fromkeys(roles_added_by(stack, proposal), stack)
            if stack.kind is StackKind.FOUNDATION and proposal.changes and not proposal.is_new:
                is_last = await self._check_shared(stack, proposal, replace, tell)
        await check_new(self.aws, roles)
        return [*proposals[1:], proposals[0]] if is_last else proposals

    async def _waiting(self, stack: StackTemplate, awaited: Mapping[str, str]) -> StackChange | None:
        """Return the proposal for a stack that imports one of the exports `awaited`, a dict from export to the stack that will create it.

        Otherwise return None.
        """
        if (export := next((each for each in imports_of(stack.template) if each in awaited), None)) is None:
            return None
        present = await describe_stack(self.aws, stack.name)
        is_made = present is not None and present["StackStatus"] != REVIEWED
        applied = (await template_of(self.aws, stack.name)).get("Resources", {}) if is_made else {}
        return _waiting(stack, awaited[export], applied)

    async def _check_shared(
        self, stack: StackTemplate, proposal: StackChange, named: Sequence[str], tell: Callable[[Event], None]
    ) -> bool:
        """Return whether this stack would lose a resource that our other stacks use.

        These stacks must then be changed first.
        Raise RefusedError when other services use the resource, and for changes that AWS refuses.
        """
        deletion = StackDeletion(self.aws, stack, self.time, tell)
        for change in proposal.changes:
            is_deleted = change.kind == DATABASE and change.is_taken and change.name in named
            if is_deleted and (protection := await deletion.protection(change.physical)):
                raise protection
        shared = SharedChange(
            environment=self.environment,
            stack=stack,
            proposal=proposal,
            named=named,
            imports=await deletion.imports(),
            ours={each.name: imports_of(each.template) for each in self._templates},
            agreed={stack_name(service.name, self.environment) for service in self.beside},
        )
        shared.check()
        return bool(shared.given_up)


def _waiting(stack: StackTemplate, awaited: str, applied: Mapping[str, Any]) -> StackChange:
    """Return the proposal for a stack that CloudFormation cannot compute yet, because an imported export does not exist.

    `applied` are the resources in the stack's present template.
    """
    wanted = stack.template["Resources"]
    changed = {name: "Modify" if name in applied else "Add" for name in wanted if wanted[name] != applied.get(name)}
    actions = sorted(changed.items(), key=lambda each: each[1])  # "Add" comes before "Modify"
    gone = [name for name in applied if name not in wanted]
    return StackChange(
        stack=stack.name,
        region=stack.region,
        result=Result.PROPOSED,
        is_new=not applied,
        changes=(
            *(ResourceChange(action=action, name=name, kind=wanted[name]["Type"]) for name, action in actions),
            *(_removal(name, applied[name]) for name in gone),
        ),
        template=stack.digest,
        waits_for=awaited,
    )


def _removal(name: str, resource: Mapping[str, Any]) -> ResourceChange:
    policy = resource.get("DeletionPolicy", "Delete")
    return ResourceChange(action="Remove", name=name, kind=resource["Type"], policy=policy)


async def changed(access: Access, digest: str | None, tell: Callable[[Event], None], *, makes: bool) -> DatabaseChange:
    """Run the task that reads or creates the database and its roles. Return the result, in which an error is a reason."""
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
        # A role with read permissions can check the drift of the stacks, but not this; the report then says "not
        # checked".
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
    """Raise RefusedError when the changes are not the approved ones."""
    if approved.environment != now.environment:
        raise RefusedError(
            f"the approved change is for {approved.environment}, not for {now.environment}",
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
            f"the approved file has other changes of {', '.join(other)}, because the settings or the account have changed since",
            "run bootstrap without --apply, and have its result approved",
        )


def with_repository(settings: Settings, repository: str | None) -> Settings:
    """Return the settings with another GitHub repository. Raise SettingsError when the name does not fit."""
    if repository is None:
        return settings
    try:
        github = with_values(settings.github, repository=repository) if settings.github else Github(repository)
    except MismatchError as error:
        raise SettingsError("--github", error.problem) from error
    return with_values(settings, github=github)
