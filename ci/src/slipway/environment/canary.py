"""Requests during a canary: at night no user may send any, and the platform's alarm counts the errors of requests only."""

from dataclasses import dataclass, field

from slipway.environment.observed import ObservedEnvironment, UnansweredError
from slipway.records.plan import Observed

_FIRST, _REQUESTS = 10, 3  # for each path, at first and every few seconds: of some 200, 5 % reach the new release


@dataclass(kw_only=True)
class Canary:
    """The requests of one run while two releases share the traffic; which of them answers one is up to the load balancer."""

    environment: ObservedEnvironment
    asked: int = 0
    failed: int = 0
    is_over: bool = False
    observed: Observed = field(default_factory=Observed)

    async def sample(self) -> str:
        """Request each smoke path some times; return a line at the first time and at the first error, otherwise an empty text."""
        if self.is_over:
            return ""
        is_first = self.asked == 0
        if is_first:
            self.observed = await self.environment.status()
            if problem := self._obstacle():
                self.is_over = True
                return f"slipway sends no requests during the canary: {problem}"
        paths = self.environment.settings.smoke_paths
        before, problem = self.failed, ""
        for path in paths * (_FIRST if is_first else _REQUESTS):
            self.asked += 1
            try:
                await self.environment.ask(self.observed, path)
            except UnansweredError as error:
                self.failed += 1
                problem = error.what
        if is_first and self.failed * 2 > self.asked:  # a correction must not be taken back for these
            self.is_over = True
            return f"slipway sends no further requests during the canary: the release before does not answer either ({problem})"
        if self.failed > before == 0:
            return f"{self.failed} of {self.asked} requests during the canary failed: {problem}"
        return f"requesting {', '.join(paths)} during the canary" if is_first else ""

    def _obstacle(self) -> str:
        if self.observed.private or self.observed.url is None:
            return "its address is private"
        return "" if self.environment.settings.smoke_paths else "smoke-paths of [tool.slipway] names no path"
