"""One client plays the story against an account of its own, and what its player said is written down."""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from subprocess import PIPE
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from slipway.simulator.clock import VirtualClock
from slipway.simulator.faults import Fault
from tests.foreign.clients import Client
from tests.foreign.step import Step, at, filled_in
from tests.foreign.story import MANIFESTS, SICK, STORY
from tests.simulator.account import REGION, opened
from tests.simulator.scripted import Script

_PATIENCE = 60  # seconds for an answer
_MOST_BYTES = 1 << 20


@dataclass
class Play:
    """`lines` by step, as the player wrote them; `requests` by step, how many came in; `kept` is what the story kept by the end."""

    lines: dict[str, Any] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=lambda: dict(MANIFESTS))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


async def play(client: Client) -> Play:
    """Play it from the beginning to the end, or to a step that needs what was not seen; raises MissingError."""
    command = await anyio.to_thread.run_sync(client.command)
    clock, played = VirtualClock(), Play()
    with tempfile.TemporaryDirectory() as home:
        async with opened(clock=clock) as account:
            account.backend.scripts[SICK] = Script(healthy=False)
            async with await anyio.open_process(command, env=_environment(account.cloud.url, home), stderr=PIPE) as run:
                player = _Player(run)
                for step in STORY:
                    try:
                        asks = filled_in(step.asks, played.kept)
                    except KeyError:
                        break
                    before = len(account.cloud.requests)
                    if step.meets:
                        account.cloud.faults.add(Fault(operation=step.call.partition(".")[2], effect=step.meets))
                    with nullcontext() if step.waits else clock.held():
                        line = await player.told(step, asks)
                    played.lines[step.name] = line
                    played.requests[step.name] = len(account.cloud.requests) - before
                    played.kept |= _kept(step, line)
                await run.stdin.aclose()
                await run.wait()
    return played


def _environment(url: str, home: str) -> dict[str, str]:
    """All that the client is told: no files of the user's, no metadata service, stand-in credentials."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class _Player:
    """A process that answers each line with one."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert process.stdin
        assert process.stdout
        self._asked, self._lines = process.stdin, BufferedByteReceiveStream(process.stdout)

    async def told(self, step: Step, asks: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, and if the step waits for an end, until nothing is in progress any more."""
        line = await self._line(step, asks)
        while step.waits and at(line.get("answer", {}), "service.status") == "OPERATION_IN_PROGRESS":
            await anyio.sleep(0.01)
            line = await self._line(step, asks)
        return line

    async def _line(self, step: Step, asks: Mapping[str, Any]) -> dict[str, Any]:
        with anyio.fail_after(_PATIENCE):
            await self._asked.send(json.dumps({"call": step.call, "asked": asks}).encode() + b"\n")
            try:
                said = await self._lines.receive_until(b"\n", _MOST_BYTES)
            except anyio.IncompleteRead:
                assert self._process.stderr
                complaint = b"".join([part async for part in self._process.stderr]).decode()
                raise AssertionError(f"the player ended at `{step.name}`: {complaint}") from None
        line: dict[str, Any] = _with_small_letters(json.loads(said))
        return line


def _with_small_letters(said: Any) -> Any:
    """Members as one writes them in all clients; in Go they are exported fields, and begin with a capital."""
    if isinstance(said, dict):
        return {key[:1].lower() + key[1:]: _with_small_letters(value) for key, value in said.items()}
    return [_with_small_letters(item) for item in said] if isinstance(said, list) else said


def _kept(step: Step, line: Mapping[str, Any]) -> dict[str, str]:
    """What later steps need; ids also as logs have them, without dashes."""
    found = {name: at(line.get("answer", {}), path) for name, path in step.keeps.items()}
    there = {name: value for name, value in found.items() if value is not None}
    return there | {f"{name}_in_logs": value.replace("-", "") for name, value in there.items()}
