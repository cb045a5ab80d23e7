"""Requests during a canary.

The platform's alarm counts failed requests only, and at night there may be no other requests.
"""

from dataclasses import dataclass, field

from slipway.environment.observed import ObservedEnvironment, UnansweredError
from slipway.records.plan import Observed

# for each path, first and then every few seconds: of some 200 requests, 5 % reach the new release
_FIRST, _REQUESTS = 10, 3
_BEFORE = 2  # attempts; when all fail, the previous release has answered at least one of them


@dataclass(kw_only=True)
class Canary:
    """The requests of one run while two releases share the traffic. The load balancer decides which release answers.

    `paths` are those that the previous release answers: the alarm also counts that release's errors, and would roll
    back a release that corrects them.
    """

    environment: ObservedEnvironment
    asked: int = 0
    failed: int = 0
    paths: tuple[str, ...] | None = None
    observed: Observed = field(default_factory=Observed)

    async def sample(self) -> str:
        """Request each path several times. Return a line at the start and at the first error, otherwise an empty text."""
        if self.paths is None:
            return await self._begin()
        before, problem = self.failed, await self._request(self.paths * _REQUESTS)
        return self._failures(problem) if self.failed > before == 0 else ""

    async def _begin(self) -> str:
        """Find and request the paths that the previous release answers; return a line about them."""
        self.paths, self.observed = (), await self.environment.status()
        if obstacle := self._obstacle():
            return f"slipway sends no requests during the canary: {obstacle}"
        wanted = self.environment.settings.smoke_paths
        problems = {path: problem for path in wanted if (problem := await self._problem_before(path))}
        self.paths = tuple(path for path in wanted if path not in problems)
        problem = await self._request(self.paths * _FIRST)
        said = f"requesting {', '.join(self.paths) or 'nothing'} during the canary"
        if problems:
            why = next(iter(problems.values()))
            said += f"; not {', '.join(problems)}, which the release before does not answer either ({why})"
        return f"{said}; {self._failures(problem)}" if self.failed else said

    async def _problem_before(self, path: str) -> str:
        """Return why two requests of a path failed; an empty text when one was answered."""
        problem = ""
        for _ in range(_BEFORE):
            try:
                await self.environment.ask(self.observed, path)
            except UnansweredError as error:
                problem = error.what
            else:
                return ""
        return problem

    async def _request(self, paths: tuple[str, ...]) -> str:
        """Request paths, and return the last problem; an empty text without one."""
        problem = ""
        for path in paths:
            self.asked += 1
            try:
                await self.environment.ask(self.observed, path)
            except UnansweredError as error:
                self.failed += 1
                problem = error.what
        return problem

    def _failures(self, problem: str) -> str:
        return f"{self.failed} of slipway's {self.asked} requests during the canary failed: {problem}"

    def _obstacle(self) -> str:
        if self.observed.private or self.observed.url is None:
            return "its address is private"
        return "" if self.environment.settings.smoke_paths else "smoke-paths of [tool.slipway] names no path"
