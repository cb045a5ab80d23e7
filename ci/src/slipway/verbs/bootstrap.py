"""bootstrap: show what an environment needs in its account, and make it only when told to."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from slipway.errors import RefusedError
from slipway.records.bootstrap import Bootstrap, Result, StackChange
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.change_set import StackChangeSet
from slipway.release.bootstrap.template import StackTemplate, stacks
from slipway.release.engine.engine import Time
from slipway.settings import Github, Settings, SettingsError
from slipway.structure import MismatchError


@dataclass(frozen=True)
class Ground:
    """The account of one environment, before anything is deployed there."""

    settings: Settings
    environment: str
    aws: Aws
    time: Time

    async def propose(self, tell: Callable[[Event], None]) -> Bootstrap:
        """What would change; nothing of it is there afterwards. Raises SlipwayError."""
        wanted = await self._wanted()
        async with AsyncExitStack() as shown:
            change_sets = [self._change_set(stack, tell) for stack in wanted]
            proposals = [await shown.enter_async_context(each.proposed()) for each in change_sets]
        return Bootstrap(self.environment, tuple(proposals))

    async def apply(self, tell: Callable[[Event], None]) -> Bootstrap:
        """Make what is missing, stack by stack; nothing more after one that has failed."""
        ended: list[StackChange] = []
        for stack in await self._wanted():
            change_set = self._change_set(stack, tell)
            async with change_set.proposed() as proposal:
                is_asked = proposal.result is Result.PROPOSED
                ended.append(await change_set.execute(proposal) if is_asked else proposal)
            if not ended[-1].result.is_well:
                break
        return Bootstrap(self.environment, tuple(ended))

    def _change_set(self, stack: StackTemplate, tell: Callable[[Event], None]) -> StackChangeSet:
        return StackChangeSet(self.aws, stack, self.time, tell)

    async def _wanted(self) -> tuple[StackTemplate, StackTemplate]:
        """The stacks; raises RefusedError when the credentials are of another account than the environment's."""
        wanted = stacks(self.settings, self.environment)
        found = (await self.aws.call("sts", "get_caller_identity"))["Account"]
        account = self.settings.environment(self.environment).account
        if found != account:
            raise RefusedError(
                f"the AWS credentials are of the account {found}, and {self.environment} is in {account}",
                "sign in there",
            )
        return wanted


def trusting(settings: Settings, repository: str | None) -> Settings:
    """The same for another repository of GitHub's than the settings name; raises SettingsError."""
    if repository is None:
        return settings
    try:
        given = replace(settings.github, repository=repository) if settings.github else Github(repository)
    except MismatchError as error:
        raise SettingsError("--github", error.problem) from error
    return replace(settings, github=given)
