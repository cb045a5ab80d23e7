"""Run the simulated AWS account until it is interrupted."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from slipway import toml
from slipway.errors import BadInputError
from slipway.local.databases import attached, servers_of
from slipway.postgres.datadir import cache
from slipway.records.command import Listening
from slipway.records.form import text_of
from slipway.simulator.clock import Clock
from slipway.simulator.cloud import LOGIN, Cloud, InitialState, simulated
from slipway.simulator.contract import operations
from slipway.simulator.endpoint import FAULTS_PATH
from slipway.simulator.faults import Script
from slipway.structure import MismatchError, kebab, read, write
from slipway.workload.process import HostBackend
from slipway.workload.workload import NO_CERTIFICATES

T = TypeVar("T")


@dataclass(frozen=True)
class Beginning:
    """The state and the faults with which a simulated account starts."""

    state: InitialState = field(default_factory=InitialState)
    faults: Script = field(default_factory=Script)

    @classmethod
    def of(cls, state: Path | None, faults: Path | None, variables: Mapping[str, str]) -> "Beginning":
        """Read the files with state and faults, which are TOML, or JSON with the suffix .json.

        Raise BadInputError when they cannot be used.
        """
        beginning = cls(_read(InitialState, state), _read(Script, faults))
        if unset := beginning.state.unset(variables):
            raise BadInputError(
                f"{state} names a variable for {unset[0]} that is not set",
                "set it and start again; a value in this file is the name of an environment variable, never the secret itself",
            )
        for scripted in beginning.faults.fault:
            if scripted.operation not in operations():
                raise BadInputError(
                    f"{faults} names the operation {scripted.operation!r:.80}, which no service here has",
                    "write its name as AWS does, such as CreateService",
                )
        return beginning

    def put_into(self, cloud: Cloud, variables: Mapping[str, str], urls: Mapping[str, str] | None = None) -> None:
        self.state.put_into(cloud, variables, urls)
        cloud.faults.add(*(scripted.fault() for scripted in self.faults.fault))


async def simulate(port: int, speed: float, tell: Callable[[Listening], object], beginning: Beginning) -> None:
    """Serve until cancelled; call `tell` with the address. Raise BadInputError when the port is in use."""
    if not 0 <= port <= 65535:
        raise BadInputError(f"{port} is no port", "allowed is 1 to 65535, or 0 for a free one")
    if not 0 < speed < float("inf"):
        raise BadInputError(f"a clock cannot run {speed:g} times as fast", "give a number above 0")
    async with (
        simulated(lambda url: HostBackend(url=url, login=LOGIN, cache=cache()), port=port, clock=Clock(speed)) as cloud,
        servers_of(beginning.state.databases) as urls,
        attached(cloud),
    ):
        beginning.put_into(cloud, os.environ, urls)
        tell(Listening(cloud.url))
        await anyio.to_thread.run_sync(operations)  # read the API models before the first request
        await anyio.sleep_forever()


async def put_faults(script: Script, url: str | None) -> Listening:
    """Replace the waiting faults of a running account. Raise BadInputError when no account runs at the URL."""
    import httpx

    if url is None:
        raise BadInputError("faults needs the address of a simulator that runs", "pass it with --endpoint-url")
    faults = json.dumps(write(script)).encode()
    try:
        async with httpx.AsyncClient(trust_env=False, verify=NO_CERTIFICATES) as client:
            answer = await client.put(f"{url.rstrip('/')}{FAULTS_PATH}", content=faults)
            answer.raise_for_status()
    except httpx.HTTPError as error:
        raise BadInputError(
            f"{url} is no simulator that takes faults: {error}", "start one: slipway simulator"
        ) from error
    return Listening(url)


def _read(kind: type[T], file: Path | None) -> T:
    if file is None:
        return kind()
    text = text_of(file, "the file")
    try:
        document = json.loads(text) if file.suffix == ".json" else toml.loads(text)
    except (ValueError, RecursionError) as error:
        form = "JSON" if file.suffix == ".json" else "TOML"
        raise BadInputError(f"{file} is not {form}", f"{error}; correct it") from error
    try:
        return read(kind, document, "", kebab)
    except MismatchError as error:
        raise BadInputError(f"{file} cannot be used ({error})", "correct it") from error
