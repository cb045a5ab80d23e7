"""Requests during a canary: the platform's alarm counts only requests that fail, and at night users may send none."""

from dataclasses import dataclass, field

from slipway.environment.observed import ObservedEnvironment, UnansweredError
from slipway.records.plan import Observed

_FIRST, _REQUESTS = 10, 3  # for each path, at first and every few seconds: of some 200, 5 % reach the new release
_BEFORE = 2  # requests that fail, of which the release before has answered at least one


@dataclass(kw_only=True)
class Canary:
    """The requests of one run while two releases share the traffic; the load balancer decides which release answers.

    `paths` are those that the previous release answers: the alarm also counts the errors of that one, and would roll back a release that corrects them.
    """

    environment: ObservedEnvironment
    asked: int = 0
    failed: int = 0
    paths: tuple[str, ...] | None = None
    observed: Observed = field(default_factory=Observed)

    async def sample(self) -> str:
        """Request each path some times; return a line at the first time and at the first error, otherwise an empty text."""
        if self.paths is None:
            return await self._begin()
        before, problem = self.failed, await self._request(self.paths * _REQUESTS)
        return self._failures(problem) if self.failed > before == 0 else ""

    async def _begin(self) -> str:
        """Request the paths that the previous release answers."""
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
        """Return why a path is not answered, also when it is requested again; empty when it is."""
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
        """Request paths, and return the last problem."""
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
        return f"{self.failed} of {self.asked} requests during the canary failed: {problem}"

    def _obstacle(self) -> str:
        if self.observed.private or self.observed.url is None:
            return "its address is private"
        return "" if self.environment.settings.smoke_paths else "smoke-paths of [tool.slipway] names no path"
