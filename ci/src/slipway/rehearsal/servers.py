"""Other servers, such as a Redis, that a service's variables name. The rehearsal starts only Postgres."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import anyio

_PORTS: Final = {
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
    "http": 80,
    "https": 443,
    "mongodb": 27017,
    "nats": 4222,
    "memcached": 11211,
    "elasticsearch": 9200,
}
_NEAR: Final = re.compile(r"[a-z][\w-]*|127(?:\.\d+){3}|\S+\.(?:local|internal)")  # servers elsewhere are not contacted
_HERE: Final = re.compile(r"localhost|127(?:\.\d+){3}")
_BARE: Final = re.compile(r"([a-z][\w.-]*):(\d{2,5})")
_SECONDS: Final = 5


async def unreachable(variables: Mapping[str, str], own: int) -> tuple[str, ...]:
    """Return `VARIABLE (host:port)` for each server near this machine that a variable names and that accepts no connection.

    The service's `own` port on this machine is left out, because it is its own address.
    """
    found: dict[str, bool] = {}

    async def ask(text: str, host: str, port: int) -> None:
        with suppress(OSError), anyio.move_on_after(_SECONDS):
            async with await anyio.connect_tcp(host, port):
                found[text] = True

    named = {
        f"{name} ({host}:{port})": (host, port)
        for name, host, port in _named(variables)
        if port != own or not _HERE.fullmatch(host)
    }
    async with anyio.create_task_group() as tasks:
        for text, (host, port) in named.items():
            tasks.start_soon(ask, text, host, port)
    return tuple(text for text in named if text not in found)


def _named(variables: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """Yield variable, host and port of each server in URLs, in `host:port`, and in pairs such as REDIS_HOST and REDIS_PORT."""
    for name, value in variables.items():
        host, port = "", ""
        with suppress(ValueError):
            url = urlsplit(value)
            host, port = url.hostname or "", str(url.port or _PORTS.get(url.scheme.partition("+")[0]) or "")
        if match := _BARE.fullmatch(value):
            host, port = match.groups()
        elif name.endswith("HOST") and not host:
            host, port = value, variables.get(f"{name.removesuffix('HOST')}PORT", "")
        if _NEAR.fullmatch(host) and port.isdecimal():
            yield name, host, int(port)
