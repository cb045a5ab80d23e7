"""One client plays the story against an account of its own; the player's lines are recorded."""

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

_HANGING_SECONDS = 600  # only a player that hangs takes so long
_MOST_BYTES = 1 << 20


@dataclass
class Play:
    """The record of a play, by step."""

    lines: dict[str, Any] = field(default_factory=dict)  # as the player wrote them
    requests: dict[str, int] = field(default_factory=dict)  # how many arrived
    kept: dict[str, str] = field(default_factory=lambda: dict(MANIFESTS))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


async def play(client: Client) -> Play:
    """Play the story to its end, or to a step that needs a value that was not seen; raises MissingError."""
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
                        line = await player.ask(step, asks)
                    played.lines[step.name] = line
                    played.requests[step.name] = len(account.cloud.requests) - before
                    played.kept |= _kept(step, line)
                await run.stdin.aclose()
                await run.wait()
    return played


def _environment(url: str, home: str) -> dict[str, str]:
    """Build the client's whole environment: no user files, no metadata service, fake credentials."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "simulated",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class _Player:
    """A process that answers each line with a line."""

    def __init__(self, process: Process) -> None:
        self._process = process
        assert process.stdin
        assert process.stdout
        self._asked, self._lines = process.stdin, BufferedByteReceiveStream(process.stdout)

    async def ask(self, step: Step, asks: Mapping[str, Any]) -> dict[str, Any]:
        """Make the call; repeat it until nothing is in progress if the step waits."""
        line = await self._line(step, asks)
        while step.waits and at(line.get("answer", {}), "service.status") == "OPERATION_IN_PROGRESS":
            await anyio.sleep(0.01)
            line = await self._line(step, asks)
        return line

    async def _line(self, step: Step, asks: Mapping[str, Any]) -> dict[str, Any]:
        with anyio.fail_after(_HANGING_SECONDS):
            await self._asked.send(json.dumps({"call": step.call, "asked": asks}).encode() + b"\n")
            try:
                text = await self._lines.receive_until(b"\n", _MOST_BYTES)
            except anyio.IncompleteRead:
                assert self._process.stderr
                complaint = b"".join([part async for part in self._process.stderr]).decode()
                raise AssertionError(f"the player ended at `{step.name}`: {complaint}") from None
        line: dict[str, Any] = _with_small_letters(json.loads(text))
        return line


def _with_small_letters(answer: Any) -> Any:
    """Start members with a small letter; Go exports them with a capital."""
    if isinstance(answer, dict):
        return {key[:1].lower() + key[1:]: _with_small_letters(value) for key, value in answer.items()}
    return [_with_small_letters(item) for item in answer] if isinstance(answer, list) else answer


def _kept(step: Step, line: Mapping[str, Any]) -> dict[str, str]:
    """Return the values for later steps; ids also without dashes, as in logs."""
    values = {name: at(line.get("answer", {}), path) for name, path in step.keeps.items()}
    kept = {name: value for name, value in values.items() if value is not None}
    return kept | {f"{name}_in_logs": value.replace("-", "") for name, value in kept.items()}
