"""Reports about an account for a terminal: the changes and cost of bootstrap, drift, and the deletions of destroy."""

from collections.abc import Iterable, Iterator, Sequence

from slipway.records.bootstrap import (
    Bootstrap,
    DatabaseChange,
    DoorChange,
    ResourceChange,
    ResourceFailure,
    Result,
    StackChange,
)
from slipway.records.cost import Cost, CostLine
from slipway.records.destruction import Destruction, Removal
from slipway.records.drift import AccountDrift
from slipway.records.words import counted
from slipway.report.format import in_lines
from slipway.untrusted import one_line

_SIGNS = {"Add": "+", "Import": "=", "Modify": "~", "Remove": "-"}
_REPLACED = {"True": "is replaced", "Conditional": "may be replaced"}
_KEPT_NAME = "AWS::SecretsManager::Secret"  # a secret's name stays taken until its deletion is complete
_EXISTS = ("already exists", "AlreadyExists")
# AWS's words when a quota is exhausted, taken from users' reports
_QUOTA = ("LimitExceeded", "maximum number", "QuotaExceeded")


@in_lines
def of_bootstrap(bootstrap: Bootstrap) -> Iterator[str]:
    """Render the whole report; the last line says what to do next."""
    for stack in bootstrap.stacks:
        yield from _stack(stack)
    yield from _database(bootstrap.database) if bootstrap.database else ()
    for door in bootstrap.doors:
        yield from _door(door)
    yield from _cost(bootstrap.cost) if bootstrap.cost else ()
    yield _next_step(bootstrap)


def _door(door: DoorChange) -> Iterator[str]:
    yield f"{door.result.value} load balancer {one_line(door.balancer)} of the private services (security group {one_line(door.group)})"
    yield from (f"  + open to {one_line(each)}" for each in door.opened)
    yield from (f"  - closed to {one_line(each)}" for each in door.closed)


def _database(database: DatabaseChange) -> Iterator[str]:
    roles = f"roles {one_line(database.owner)} (migrations) and {one_line(database.name)} (the service)"
    yield f"{database.result.value} database {one_line(database.name)}, with the {roles}"
    now = "was" if database.result is Result.APPLIED else "is"
    for each in database.differences:
        yield f"  ~ {one_line(each.subject)}: {one_line(each.expected)} ({now} {one_line(each.actual)})"
        yield from [f"      {one_line(each.remedy, 600)}"] if each.remedy else ()
    yield from [f"  {one_line(database.reason, 600)}"] if database.reason else ()


def _cost(cost: Cost) -> Iterator[str]:
    yield f"{one_line(cost.total)}:"
    yield from _priced(cost.lines)
    if cost.shared:
        own = cost.dollars - cost.shared
        yield f"  {cost.shared:.2f} $ of it is for what the services of the environment share; a further one like this adds about {own:.2f} $"
    if cost.beside:
        beside = " and ".join(f"{one_line(line.what)} ({_dollars(line)})" for line in cost.beside)
        yield f"  with {beside} of this repository: {cost.together} for the environment"
    yield f"  prices of {one_line(cost.dated)}, from {one_line(cost.source)}"
    yield f"  not covered: {one_line(cost.not_covered)}"


def _dollars(line: CostLine) -> str:
    return "not priced" if line.dollars is None else f"{line.dollars:.2f} $"


def _priced(lines: Iterable[CostLine]) -> Iterator[str]:
    for line in lines:
        yield f"  {_dollars(line):>10}  {one_line(line.what)}"


def _stack(stack: StackChange) -> Iterator[str]:
    kind = "new stack" if stack.is_new else "stack"
    yield f"{stack.result.value} {kind} {one_line(stack.stack)} in {one_line(stack.region)}"
    if stack.waits_for:
        yield f"  computed from the template, because {one_line(stack.waits_for)}, which it uses, comes first"
    yield from (_change(change) for change in stack.changes)
    yield from (_failure(failure, stack.region) for failure in stack.failures)
    yield from (f"  {one_line(place)}: {one_line(value)}" for place, value in stack.outputs.items())


def _change(change: ResourceChange) -> str:
    named = f" {one_line(change.physical)}" if change.physical else ""
    replaced = f" ({_REPLACED[change.replacement]})" if change.replacement in _REPLACED else ""
    sign = _SIGNS.get(change.action, "?")
    told = {value.name: value.told for value in change.values}
    names = ", ".join(one_line(told.get(name, name)) for name in change.properties)
    properties = f" ({names})" if names else ""
    loss = f"; refused, because it {change.loss}: {one_line(change.remedy)}" if change.loss else ""
    named += f"{properties}{replaced}{loss}"
    return f"  {sign} {one_line(change.action):6} {one_line(change.kind)} {one_line(change.name)}{named}"


def _failure(failure: ResourceFailure, region: str) -> str:
    if failure.kind == _KEPT_NAME and "scheduled for deletion" in failure.reason:
        return f"  {one_line(failure.kind)} {one_line(failure.name)}: {one_line(failure.reason, 600)}; {_restore(failure.physical, region)}"
    exists = any(words in failure.reason for words in _EXISTS)
    remedy = "; delete it, or choose another name in the settings" if exists else ""
    if any(words in failure.reason for words in _QUOTA):
        remedy = "; the account's quota is used up: ask for a higher one (Service Quotas), or delete what is not needed"
    return f"  {one_line(failure.kind)} {one_line(failure.name)}: {one_line(failure.reason, 600)}{remedy}"


def _restore(secret: str, region: str) -> str:
    return f"while its deletion is only scheduled, restore it: aws secretsmanager restore-secret --secret-id {one_line(secret)} --region {one_line(region)}"


@in_lines
def of_account_drift(drift: AccountDrift) -> Iterator[str]:
    """Render the differences of each stack; the last line has the verdict."""
    for stack in drift.stacks:
        state = "does not exist" if stack.is_missing else counted(len(stack.differences), "difference")
        yield f"{one_line(stack.stack)} in {one_line(stack.region)}: {state}"
        for each in stack.differences:
            yield f"  {one_line(each.kind)} {one_line(each.name)} {one_line(each.physical)} {one_line(each.path)}".rstrip()
            yield f"      template: {one_line(each.expected, 600)}"
            yield f"      account:  {one_line(each.actual, 600)}"
            if each.kind == _KEPT_NAME and not each.path:
                yield f"      {_restore(each.physical, stack.region)}"
        yield from (f"  {one_line(each, 600)}" for each in stack.unapplied)
        yield from (f"  not checked: {one_line(name)}" for name in stack.unchecked)
    yield from (f"not isolated: {one_line(breach)}" for breach in drift.breaches)
    yield from _database_drift(drift.database) if drift.database else ()
    yield f"not covered: {one_line(drift.not_covered)}"
    yield _drift_verdict(drift)


def _drift_verdict(drift: AccountDrift) -> str:
    if drift.is_as_applied and not drift.is_clean:
        return "the account matches the templates that were applied, not the settings; correct these, or run bootstrap --apply"
    if not drift.is_clean:
        deleted = [
            each for stack in drift.stacks for each in stack.differences if not each.path and each.kind == _KEPT_NAME
        ]
        first = ", once the deleted secrets are restored" if deleted else ""
        return f"the account differs from the templates; --drift --apply restores the templates' values{first}"
    unread = drift.database and drift.database.result is Result.WAITING
    return f"all resources match the templates{'; the roles in the database were not read' if unread else ''}"


def _database_drift(database: DatabaseChange) -> Iterator[str]:
    state = "not checked" if database.reason else counted(len(database.differences), "difference")
    yield f"database {one_line(database.name)}: {state}"
    for each in database.differences:
        yield f"  {one_line(each.subject)}"
        yield f"      should be: {one_line(each.expected, 600)}"
        yield f"      is:        {one_line(each.actual, 600)}"
        yield from [f"      {one_line(each.remedy, 600)}"] if each.remedy else ()
    yield from [f"  {one_line(database.reason, 600)}"] if database.reason else ()


@in_lines
def of_destruction(destruction: Destruction) -> Iterator[str]:
    """Render what is or would be deleted, what is billed, and what is kept; the last line has the verdict."""
    is_shown, status = destruction.status is None, destruction.status.value if destruction.status else "to be deleted"
    yield f"service {one_line(destruction.service)}: {status}"
    for stack in destruction.stacks:
        reason = f": {one_line(stack.reason, 600)}" if stack.reason else ""
        yield f"stack {one_line(stack.stack)} in {one_line(stack.region)}: {stack.removal.value}{reason}"
        if stack.removal is Removal.PROPOSED:
            yield from (f"  - {one_line(resource)}" for resource in stack.resources)
    if callers := destruction.callers:
        yield f"still called by {', '.join(map(one_line, callers))}: destroy these first, or remove it from their calls"
    if bills := destruction.bills:
        yield f"{'billed until then' if is_shown else 'still billed'}, {one_line(bills.total)}:"
        yield from _priced(bills.lines)
    users = ", ".join(map(one_line, destruction.users))
    if shared := destruction.shared:
        yield f"kept for {users}, {one_line(shared.total)}:"
        yield from _priced(shared.lines)
    yield from (f"kept: {one_line(each)}" for each in destruction.kept)
    yield from (f"not read: {one_line(each, 600)}" for each in destruction.unread)
    yield f"not covered: {one_line(destruction.not_covered)}"
    yield from (f"refused: {one_line(each, 600)}" for each in destruction.obstacles)
    if is_shown:
        confirm = (
            f"run the same command with --confirm {one_line(destruction.service)} instead of --dry-run to delete this"
        )
        yield f"nothing was changed; {'it would be refused' if destruction.obstacles else confirm}"
    elif destruction.exit_code == 0 and users:
        kept = f"what {one_line(destruction.environment)} shares is kept for {users}"
        billed = f"and still billed, about {shared.dollars:.2f} $ a month" if shared else "and not billed by the hour"
        yield f"{one_line(destruction.service)} is deleted; {kept}, {billed}"
    elif destruction.exit_code == 0:
        yield f"nothing of {one_line(destruction.environment)} is billed by the hour any more"
    else:
        yield "not everything was deleted and read; fix the cause and run the same command again"


def _next_step(bootstrap: Bootstrap) -> str:
    results, database = {stack.result for stack in bootstrap.stacks}, bootstrap.database
    if Result.FAILED in results:
        return "CloudFormation has rolled back the failed changes; fix the cause and run the same command again"
    proposed = [stack for stack in bootstrap.stacks if stack.result is Result.PROPOSED]
    if losses := [change for stack in proposed for change in stack.changes if change.loss]:
        return f"nothing was changed; --apply is refused{_refusal(losses)}"
    if Result.PROPOSED in results or (database and database.result is Result.PROPOSED):
        return "nothing was changed; run the same command with --apply to make these changes"
    if database and database.result is Result.FAILED:
        return "the templates match the settings, the database does not; fix the cause and run the same command again"
    if database and database.result is Result.WAITING:
        return "the templates match the settings; the same command with --image also makes or checks the database"
    return "all templates match the settings; --drift compares the resources with them"


def _refusal(losses: Sequence[ResourceChange]) -> str:
    impossible = next((change for change in losses if change.is_impossible), None)
    named = " ".join(f"--replace {one_line(change.name)}" for change in losses)
    return f": {impossible.remedy}" if impossible else f" without {named}"
