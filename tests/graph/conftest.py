"""A fake engine: it speaks Dagger's GraphQL over HTTP, records every query, and answers from a table.

The dagger-io client and our functions are real. tests/engine tests a real engine.
"""

import itertools
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dagger
import pytest
from dagger.client._session import SharedConnection
from gql.client import AsyncClientSession
from graphql import (
    FieldNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    build_schema,
    introspection_from_schema,
    parse,
    value_from_ast_untyped,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from slipway.simulator.serving import serving
from slipway.workload.workload import NO_CERTIFICATES

sys.path.append(str(Path(__file__).parent))
from dagger_schema import sdl


@cache
def schema() -> GraphQLSchema:
    return build_schema(sdl())


async def known_schema(session: AsyncClientSession) -> None:
    """Give a client of this process the schema itself: to ask for it and to build it again takes a quarter of a second."""
    session.client.schema = schema()


@dataclass(frozen=True)
class Step:
    """One field of a query, with its arguments: `from`, `{"address": "python…"}`."""

    name: str
    arguments: dict[str, Any]


@dataclass
class Engine:
    """`files` answers `contents` by path, `answers` any other leaf by name, or by a function of the steps to it."""

    files: dict[str, str]
    answers: dict[str, Any] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    chains: list[list[Step]] = field(default_factory=list)
    ids: dict[str, list[Step]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = itertools.count()

    async def query(self, request: Request) -> JSONResponse:
        text = (await request.json())["query"]
        if "__schema" in text:
            return JSONResponse({"data": introspection_from_schema(schema())})
        self.queries.append(text)
        (operation,) = parse(text).definitions
        assert isinstance(operation, OperationDefinitionNode)
        return JSONResponse({"data": self._answer(list(operation.selection_set.selections), [])})

    def _answer(self, fields: list[Any], chain: list[Step]) -> dict[str, Any]:
        answers: dict[str, Any] = {}
        for node in fields:
            if isinstance(node, InlineFragmentNode):  # `... on Service`: an object found again by its id
                answers |= self._answer(list(node.selection_set.selections), chain)
            else:
                answers[(node.alias or node.name).value] = self._field(node, chain)
        return answers

    def _field(self, node: FieldNode, chain: list[Step]) -> Any:
        arguments = {argument.name.value: value_from_ast_untyped(argument.value) for argument in node.arguments or ()}
        chain = [*chain, Step(node.name.value, arguments)]
        if node.selection_set:
            return self._answer(list(node.selection_set.selections), chain)
        self.chains.append(chain)
        return self._leaf(chain)

    def _leaf(self, chain: list[Step]) -> Any:
        name = chain[-1].name
        if name in self.answers:
            answer = self.answers[name]
            return answer(chain) if callable(answer) else answer
        if name == "contents":
            return self.files[chain[-2].arguments["path"]]
        if name in {"id", "sync"}:
            made = f"id-{next(self._numbers)}"
            self.ids[made] = chain
            return made
        return f"any {name}"

    def chain_of(self, identity: str) -> list[Step]:
        """Return the steps behind the id of an object."""
        return self.ids[identity]

    def steps(self, name: str) -> list[Step]:
        """Return every step of this name in all queries."""
        return [step for chain in self.chains for step in chain if step.name == name]


PYPROJECT = """
[project]
name = "notes"

[tool.slipway]
name = "notes"
command = ["uvicorn", "app.main:app"]
sources = ["app", "migrations", "alembic.ini"]
health-path = "/readyz"

[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/notes-access"
"""


@asynccontextmanager
async def speaking(engine: Engine) -> AsyncIterator[tuple[Engine, dict[str, str]]]:
    """Serve an engine; yield it and the variables by which a client finds it."""
    async with serving(Starlette(routes=[Route("/query", engine.query, methods=["POST"])])) as address:
        yield engine, {"DAGGER_SESSION_PORT": address.rpartition(":")[2], "DAGGER_SESSION_TOKEN": "token"}


@pytest.fixture
async def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Engine]:
    monkeypatch.chdir(tmp_path)  # functions leave there the files that an engine uploads
    monkeypatch.setattr(AsyncClientSession, "fetch_schema", known_schema)
    monkeypatch.setattr("httpx._transports.default.create_ssl_context", lambda **_: NO_CERTIFICATES)
    async with speaking(
        Engine(
            {"pyproject.toml": PYPROJECT, ".git/HEAD": f"{'c' * 40}\n"},
            {"entries": ["pyproject.toml", "uv.lock"], "findUp": "/pyproject.toml", "glob": []},
        )
    ) as (engine, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        try:
            yield engine
        finally:
            await dagger.close()
            SharedConnection()._params = None  # it would remember this engine's port for the next


@pytest.fixture
def workspace(engine: Engine) -> dagger.Workspace:
    return dagger.dag.current_workspace()
