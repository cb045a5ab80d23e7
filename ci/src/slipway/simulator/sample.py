"""AWS's sample image `hello-app-runner` of ECR Public: one page at /."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from slipway.oci.artifact import MANIFEST, canonical, digest_of
from slipway.simulator.registry import Repository
from slipway.simulator.serving import serving
from slipway.workload.workload import Backend, LaunchSpec, Workload

NAME = "aws-containers/hello-app-runner"
_CONTENT = canonical({"schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"stands for": NAME}})
_DIGEST = digest_of(_CONTENT)


def sample(pushed: datetime) -> Repository:
    """Build the sample's repository, with the tag `latest`."""
    repository = Repository(name=NAME, created=pushed)
    repository.tags["latest"] = repository.put_manifest(_CONTENT, MANIFEST, pushed)
    return repository


@dataclass
class _Running:
    address: str
    exit_code: int | None = None


class WithSample:
    """A backend that runs the sample in this process and passes every other release to another backend."""

    def __init__(self, other: Backend) -> None:
        self._other = other

    @property
    def how(self) -> str:
        return self._other.how

    def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AbstractAsyncContextManager[Workload]:
        return _started(on_line) if order.digest == _DIGEST else self._other.start(order, on_line)


@asynccontextmanager
async def _started(on_line: Callable[[str], None]) -> AsyncIterator[Workload]:
    async with serving(Starlette(routes=[Route("/", _page)])) as address:
        on_line("INFO:     Uvicorn running on http://0.0.0.0:8000")
        yield _Running(address)


async def _page(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("Hello from App Runner\n")
