"""Postgres servers on this machine for the databases of a simulated account."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio.to_thread

from slipway.database_url import parts_of, with_scheme
from slipway.postgres import binaries
from slipway.postgres.server import Server, running
from slipway.simulator.cloud import Cloud
from slipway.simulator.databases import DatabaseLaunch


@dataclass
class LocalServers:
    """The running servers, by the identifiers of the simulated databases.

    They stop at the end of the block of `attached`.
    """

    stack: AsyncExitStack
    servers: dict[str, Server] = field(default_factory=dict)

    async def attach(self, launch: DatabaseLaunch) -> tuple[str, int]:
        """Start a server with the main user of a simulated database, and return its host and port.

        Raise BadInputError when no server binaries fit.
        """
        major = launch.version.partition(".")[0]
        found = await anyio.to_thread.run_sync(binaries.find, int(major) if major.isdecimal() else None)
        server = await self.stack.enter_async_context(running(found, first=launch.first_statements(found.major)))
        self.servers[launch.identifier] = server
        place = parts_of(server.url)
        return place["host"], int(place["port"])


@asynccontextmanager
async def attached(cloud: Cloud) -> AsyncIterator[LocalServers]:
    """Let every region of a simulated account start servers here. Stop the servers after the block."""
    async with AsyncExitStack() as stack:
        servers = LocalServers(stack)

        def attach(region: Cloud) -> None:
            region.databases.attach = servers.attach

        cloud.places.fill(attach)
        yield servers


@asynccontextmanager
async def servers_of(schemes: Mapping[str, str]) -> AsyncIterator[dict[str, str]]:
    """Start a server for each scheme of a URL, and return the URLs by the same keys; raises BadInputError."""
    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        for key, scheme in schemes.items():
            found = await anyio.to_thread.run_sync(binaries.find, None)
            server = await stack.enter_async_context(running(found))
            urls[key] = with_scheme(server.url, scheme)
        yield urls
