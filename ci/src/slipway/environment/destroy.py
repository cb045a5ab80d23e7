"""The deletion of a whole environment, its service and its stacks, and a report of what is still billed."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as with_values

from slipway.environment.bootstrap import AccountSetup
from slipway.environment.environment import ServiceEnvironment, check_confirmed, destroy, plan_change
from slipway.errors import Obstacles, RefusedError, SlipwayError
from slipway.records.cost import CostLine
from slipway.records.destruction import Destruction, Removal, StackRemoval
from slipway.records.outcome import Status, Verb
from slipway.records.plan import Action, State
from slipway.records.progress import Tell
from slipway.release.bootstrap.billing import NOT_COVERED, Inventory
from slipway.release.bootstrap.deletion import StackDeletion
from slipway.release.bootstrap.server import database_name
from slipway.release.bootstrap.template import StackKind, StackTemplate
from slipway.release.prices import cost, service_line

_NOT_BEGUN = "not begun, because what comes before it was not deleted"


@dataclass(frozen=True, kw_only=True)
class _Proposal:
    """The planned deletion of an environment's stacks, those of the service first.

    - obstacles: reasons against the deletion.
    - users: stacks of other services, because of which the foundation is kept.
    """

    stacks: tuple[StackTemplate, ...]
    removals: tuple[tuple[StackDeletion, StackRemoval], ...]
    obstacles: Obstacles
    users: tuple[str, ...]


async def plan_destruction(environment: ServiceEnvironment, tell: Tell) -> Destruction:
    """Return the planned deletions, the obstacles, the present bills and the kept resources.

    Raise SlipwayError when they cannot be read.
    """
    proposal = await _proposed(environment, tell)
    return await _proven(environment, proposal, None, [each for _, each in proposal.removals])


async def destroy_everything(environment: ServiceEnvironment, tell: Tell, confirmed: str) -> Destruction:
    """Delete the service and then the stacks; stop after a failure.

    Raise SlipwayError with all obstacles before the first deletion.
    """
    check_confirmed(environment, confirmed)
    proposal = await _proposed(environment, tell)
    proposal.obstacles.refuse()
    outcome = await destroy(environment, tell, confirmed)
    ended: list[StackRemoval] = []
    if is_well := outcome.status.exit_code == 0:
        await _setup(environment).withdraw()
    for deletion, removal in proposal.removals:
        if removal.removal is not Removal.PROPOSED:
            ended.append(removal)
        elif not is_well:
            ended.append(with_values(removal, removal=Removal.FAILED, reason=_NOT_BEGUN))
        else:
            ended.append(await deletion.run(removal))
            is_well = ended[-1].removal is not Removal.FAILED
    return await _proven(environment, proposal, outcome.status, ended)


def _setup(environment: ServiceEnvironment) -> AccountSetup:
    return AccountSetup(
        settings=environment.settings, environment=environment.name, aws=environment.aws, time=environment.time
    )


async def _proposed(environment: ServiceEnvironment, tell: Tell) -> _Proposal:
    stacks, obstacles = await _setup(environment).stacks(), Obstacles()
    removals: list[tuple[StackDeletion, StackRemoval]] = []
    users: tuple[str, ...] = ()
    with obstacles.noted():
        plan = await plan_change(environment, Verb.DESTROY)
        if plan.action is Action.BLOCKED:
            raise RefusedError(f"{plan.service} cannot be deleted now", plan.reason)
        await environment.check_owner()
    for stack in reversed(stacks):
        deletion = StackDeletion(environment.aws, stack, environment.time, tell)
        removal = await deletion.proposed()
        if removal.removal is Removal.PROPOSED:
            if stack.kind is StackKind.FOUNDATION:
                users = await deletion.users([each.name for each in stacks])
            if reason := _reason_to_keep(stack, users):
                removal = with_values(removal, removal=Removal.KEPT, resources=(), reason=reason)
            else:
                obstacles.found += await deletion.obstacles()
        removals.append((deletion, removal))
    return _Proposal(stacks=stacks, removals=tuple(removals), obstacles=obstacles, users=users)


def _reason_to_keep(stack: StackTemplate, users: Sequence[str]) -> str:
    """Return why a stack is still needed; an empty text when it can be deleted."""
    if stack.kind is StackKind.SHARED:
        return "it belongs to all environments of the service, and its repositories hold images"
    return f"used by {', '.join(users)}" if stack.kind is StackKind.FOUNDATION and users else ""


async def _proven(
    environment: ServiceEnvironment, proposal: _Proposal, status: Status | None, removals: list[StackRemoval]
) -> Destruction:
    inventory = Inventory(
        aws=environment.aws, settings=environment.settings, environment=environment.name, stacks=proposal.stacks
    )
    billed, unread = await inventory.billed()
    kept, more = await inventory.kept()
    callers: tuple[str, ...] = ()
    if status is None:
        try:
            callers = await _setup(environment).callers()
        except SlipwayError as error:
            unread.append(str(error))
    shared: list[CostLine] = []
    if proposal.users:  # other services use the foundation, with its resources that are billed
        shared, billed = billed, []
        if environment.own_settings.database:
            kept.append(f"the database {database_name(environment.settings.name)} on that server, and its roles")
    try:
        observed = await environment.status()
    except SlipwayError as error:
        unread.append(str(error))
    else:
        if observed.state is not State.ABSENT:
            dollars = service_line(environment.own_settings).dollars
            billed.insert(0, CostLine(f"service {environment.service} ({observed.status})", dollars))
    return Destruction(
        environment=environment.name,
        service=environment.service,
        status=status,
        stacks=tuple(removals),
        callers=callers,
        obstacles=tuple(map(str, proposal.obstacles.found)),
        bills=cost(billed, environment.own_settings.region) if billed else None,
        kept=tuple(kept),
        unread=tuple(dict.fromkeys([*unread, *more])),
        not_covered=NOT_COVERED,
        shared=cost(shared, environment.own_settings.region) if shared else None,
        users=proposal.users,
    )
