"""Two accounts for one story: moto's, in this process, and the simulator's; the outcomes of the calls in a comparable form."""

import json
import marshal
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import anyio.from_thread
import anyio.to_thread
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import JSONFileLoader

from slipway.oci.artifact import MANIFEST
from slipway.release.aws.client import Keys, session_of
from slipway.simulator.clock import VirtualClock
from slipway.simulator.cloud import Cloud, simulated
from slipway.simulator.registry import Repository
from tests.simulator.scripted import ScriptedBackend

REGION, ACCOUNT = "eu-west-1", "123456789012"
GROUP, STREAM = "/slipway/notes", "slipway/one"
IMAGE = b"{}"  # the manifest of an image that runs
Outcome = Mapping[str, str]  # values by path; "error" and "message" of a refusal
_PATTERNS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<id>"),
    (re.compile(r"(:secret:[\w/]+)-\w{6}\b"), r"\1-<suffix>"),
    (re.compile(r"\b(?:subnet|eni)-\w+"), "<subnet>"),
)
_OPAQUE = re.compile(r"(?:Token|eventId|RoleId|UserId)$")
_TIMES = re.compile(r"(?i)(?:time|timestamp)$")


@dataclass
class Player:
    """One side of a story: makes its calls and records their outcomes by the names of the steps."""

    client: Any
    seeds: Mapping[str, str] = field(default_factory=dict)
    pause: Callable[[], object] = lambda: None
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def ask(self, step: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make a call and record it; returns an empty answer for a refusal."""
        assert step not in self.outcomes, f"two steps are named {step!r}"
        answer, self.outcomes[step] = self._call(operation, parameters)
        return answer

    def wait(self, step: str, operation: str, ended: Callable[[Any], bool], **parameters: Any) -> dict[str, Any]:
        """Repeat a call until it has ended and record the last answer."""
        for _ in range(500):
            answer, outcome = self._call(operation, parameters)
            if not answer or ended(answer):
                self.outcomes[step] = outcome
                return answer
            self.pause()
        raise AssertionError(f"{step} has not ended: {dict(outcome)}")

    def _call(self, operation: str, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], Outcome]:
        try:
            answer = getattr(self.client, operation)(**parameters)
        except ClientError as error:
            details = error.response["Error"]
            return {}, {"error": details["Code"], "message": _normal(details.get("Message", ""))}
        except NotImplementedError:
            return {}, {"error": "not implemented"}
        except Exception as error:  # noqa: BLE001 -- moto runs in this process, and so do its crashes
            return {}, {"error": f"crash: {type(error).__name__}"}
        del answer["ResponseMetadata"]
        return answer, dict(_flat(answer, ""))


Story = Callable[[Player], None]


def at_moto(service: str, story: Story) -> Mapping[str, Outcome]:
    """Play a story against moto, in this process."""
    from moto import mock_aws
    from moto.moto_api import state_manager

    with (
        patch.dict("os.environ", MOTO_EC2_LOAD_DEFAULT_AMIS="false"),
        patch.object(JSONFileLoader, "load_file", _load),  # moto has a loader of its own for each of its answers
        mock_aws(),
    ):
        # By default moto ends a task by itself after a few descriptions.
        state_manager.set_transition("ecs::task", {"progression": "manual", "times": 1000})
        player = Player(_client(service), _seed_moto(service))
        story(player)
    return player.outcomes


async def at_the_simulator(service: str, story: Story) -> Mapping[str, Outcome]:
    """Play a story against a simulated account."""
    backend = ScriptedBackend()
    async with simulated(lambda _url: backend, clock=VirtualClock()) as cloud:
        _seed(cloud, service)
        second = partial(anyio.from_thread.run, cloud.clock.sleep, 1)
        player = Player(_client(service, endpoint_url=cloud.url), {"subnet": "subnet-1"}, second)
        await anyio.to_thread.run_sync(story, player)
    return player.outcomes


_load_file = JSONFileLoader.load_file


@cache
def _read(path: str) -> bytes:
    return marshal.dumps(json.loads(json.dumps(_load_file(JSONFileLoader(), path))))


def _load(_loader: JSONFileLoader, path: str) -> Any:
    return marshal.loads(_read(path))


def _seed_moto(service: str) -> Mapping[str, str]:
    if service == "ecs":
        return {"subnet": _client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]}
    if service == "logs":
        logs, events = _client("logs"), [{"timestamp": _milliseconds(at), "message": line} for at, line in _lines()]
        logs.create_log_group(logGroupName=GROUP)
        logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
        logs.put_log_events(logGroupName=GROUP, logStreamName=STREAM, logEvents=events)
    return {}


def _seed(cloud: Cloud, service: str) -> None:
    if service == "ecs":
        repository = cloud.store.repositories["notes"] = Repository(name="notes", created=cloud.clock.now())
        repository.put_manifest(IMAGE, MANIFEST, cloud.clock.now())
    for at, message in _lines():
        cloud.logs.write(GROUP, STREAM, at, message)


def _lines() -> list[tuple[datetime, str]]:
    noon = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=12)
    return [(noon + timedelta(minutes=minute), f"line {minute}") for minute in range(4)]


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _client(service: str, **where: Any) -> Any:
    config = Config(retries={"total_max_attempts": 1})
    return session_of(Keys("simulated", "secret"), REGION).client(service, config=config, **where)


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the leaves of an answer by path; times and ids are replaced by placeholders."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}.{index}")
    elif isinstance(value, datetime) or _TIMES.search(path):
        yield path, "<time>"
    elif path:
        yield _normal(path), "<opaque>" if _OPAQUE.search(path) else _normal(str(value))


def _normal(text: str) -> str:
    for pattern, placeholder in _PATTERNS:
        text = pattern.sub(placeholder, text)
    return text
