"""The interface between a platform and what runs its instances, and the platform's health check."""

import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import anyio


@dataclass(frozen=True, kw_only=True)
class LaunchSpec:
    """A release to start, by digest."""

    repository: str
    digest: str
    port: int  # the port in the service's own configuration
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  # values may be secret
    command: tuple[str, ...] | None = None  # replaces the release's own


class Workload(Protocol):
    """A running instance. `address` is `host:port`; `exit_code` is None while it runs."""

    @property
    def address(self) -> str: ...

    @property
    def exit_code(self) -> int | None: ...


class Backend(Protocol):
    """A way to run releases."""

    @property
    def how(self) -> str:
        """The kind of instance in words: "a process", "a container"."""
        ...

    def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AbstractAsyncContextManager[Workload]:
        """Start an instance and stop it when the block ends; `on_line` receives every output line.

        Raises SlipwayError when it cannot be started.
        """
        ...


# Instances use plain HTTP. Without this, httpx reads the machine's certificates for every client, 40 ms each time.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """The settings of a health check; times in seconds, thresholds in consecutive results."""

    path: str | None = None  # None: a TCP connection suffices
    interval: float = 5
    timeout: float = 2
    healthy_threshold: int = 1
    unhealthy_threshold: int = 5


@dataclass(frozen=True)
class HealthResult:
    """The result of one check."""

    healthy: bool
    detail: str

    @property
    def final(self) -> bool:
        """Whether waiting is of no use: redirections and 4xx come from the routes, 500 from an error, 502 to 504 may pass."""
        return not self.healthy and self.detail.isdecimal() and int(self.detail) <= 500


async def ask(address: str, check: HealthCheck) -> HealthResult:
    """Check the instance at `address` (`host:port`) once; the timeout is in real seconds."""
    return await (_ask_http(address, check) if check.path else _ask_tcp(address, check))


async def _ask_http(address: str, check: HealthCheck) -> HealthResult:
    import httpx

    try:
        # No proxy leads to an instance. httpx limits each read, not the whole answer, which could drip forever.
        async with httpx.AsyncClient(timeout=check.timeout, trust_env=False, verify=NO_CERTIFICATES) as client:
            with anyio.fail_after(check.timeout):
                answer = await client.get(f"http://{address}{check.path}")
    except (TimeoutError, httpx.TimeoutException):
        return HealthResult(False, f"no answer within {check.timeout:g} s")
    except httpx.HTTPError as error:
        return HealthResult(False, str(error) or type(error).__name__)
    return HealthResult(answer.is_success, f"{answer.status_code}")


async def _ask_tcp(address: str, check: HealthCheck) -> HealthResult:
    host, _, port = address.rpartition(":")
    try:
        with anyio.fail_after(check.timeout):
            async with await anyio.connect_tcp(host, int(port)):
                return HealthResult(True, "connected")
    except TimeoutError:
        return HealthResult(False, f"no connection within {check.timeout:g} s")
    except OSError as error:
        return HealthResult(False, str(error))
