"""Bootstrap: propose and create the stacks that an environment needs in its AWS account."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from slipway.errors import RefusedError
from slipway.records.bootstrap import Bootstrap, Result, StackChange
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.aws.ledger import LedgerStore
from slipway.release.bootstrap.change_set import StackChangeSet
from slipway.release.bootstrap.existing import check_new
from slipway.release.bootstrap.template import StackTemplate, stacks
from slipway.release.engine.target import Time
from slipway.settings import Github, Settings, SettingsError
from slipway.structure import MismatchError


@dataclass(frozen=True)
class AccountSetup:
    """The AWS account of one environment, before anything is deployed there."""

    settings: Settings
    environment: str
    aws: Aws
    time: Time

    async def propose(self, tell: Callable[[Event], None]) -> Bootstrap:
        """Return what would change, and delete the change sets; raises SlipwayError, also when what would be made exists."""
        stacks = await self._stacks()
        async with AsyncExitStack() as open_proposals:
            change_sets = [self._change_set(stack, tell) for stack in stacks]
            proposals = tuple([await open_proposals.enter_async_context(each.proposed()) for each in change_sets])
        await check_new(self.aws, stacks, proposals)
        return Bootstrap(self.environment, proposals)

    async def apply(self, tell: Callable[[Event], None]) -> Bootstrap:
        """Create what is missing, stack by stack, and stop after one that fails."""
        await self.propose(tell)  # every obstacle is named before the first stack is made
        changes: list[StackChange] = []
        for stack in await self._stacks():
            change_set = self._change_set(stack, tell)
            async with change_set.proposed() as proposal:
                is_proposed = proposal.result is Result.PROPOSED
                changes.append(await change_set.execute(proposal) if is_proposed else proposal)
            if not changes[-1].result.is_well:
                break
        else:
            await self._move_ledger(tell)
        return Bootstrap(self.environment, tuple(changes))

    async def _move_ledger(self, tell: Callable[[Event], None]) -> None:
        """Copy the ledger of an older version, which was in the repository of the images, into the environment's own."""
        store = LedgerStore(self.aws, self.settings.ledger(self.environment), self.settings.name, self.environment)
        if await store.is_moved():
            return
        tell(Event(f"the ledger of {self.environment} moves into {self.settings.ledger(self.environment)}"))
        await store.check()
        await store.close_former()

    def _change_set(self, stack: StackTemplate, tell: Callable[[Event], None]) -> StackChangeSet:
        return StackChangeSet(self.aws, stack, self.time, tell)

    async def _stacks(self) -> tuple[StackTemplate, StackTemplate]:
        """Return the stacks; raises RefusedError if the credentials belong to another account."""
        caller = (await self.aws.call("sts", "get_caller_identity"))["Account"]
        account = self.settings.environment(self.environment).account
        if caller != account:
            raise RefusedError(
                f"the AWS credentials are of the account {caller}, and {self.environment} is in {account}",
                "sign in there",
            )
        return stacks(self.settings, self.environment)


def with_repository(settings: Settings, repository: str | None) -> Settings:
    """Return the settings with another GitHub repository; raises SettingsError."""
    if repository is None:
        return settings
    try:
        github = replace(settings.github, repository=repository) if settings.github else Github(repository)
    except MismatchError as error:
        raise SettingsError("--github", error.problem) from error
    return replace(settings, github=github)
