"""The interface between a platform and the backend that runs its instances, and the platform's health check."""

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
    port: int  # the port on which the service listens
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)  # not shown, because values may be secret
    command: tuple[str, ...] | None = None  # replaces the release's own command


class Workload(Protocol):
    """A running instance. `address` is `host:port`; `exit_code` is None while it runs."""

    @property
    def address(self) -> str: ...

    @property
    def exit_code(self) -> int | None: ...


class Backend(Protocol):
    """A way to run instances of releases."""

    @property
    def how(self) -> str:
        """Return the kind of instance in words: "a process", "a container"."""
        ...

    def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AbstractAsyncContextManager[Workload]:
        """Start an instance, and stop it at the end of the block. `on_line` receives every line of its output.

        Raise SlipwayError when it cannot be started.
        """
        ...


# Instances use plain HTTP. Without this, httpx would read the machine's certificates for every client, which takes 40
# ms.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """The settings of a health check. Times are in seconds, thresholds in consecutive results."""

    path: str | None = None  # None when a TCP connection is enough
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
        """Whether waiting would not help: redirections and 4xx come from the routes, 500 from an error.

        Statuses 502 to 504 may be temporary.
        """
        return not self.healthy and self.detail.isdecimal() and int(self.detail) <= 500


async def ask(address: str, check: HealthCheck) -> HealthResult:
    """Check the instance at `address` (`host:port`) once. The timeout is in real seconds."""
    return await (_ask_http(address, check) if check.path else _ask_tcp(address, check))


async def _ask_http(address: str, check: HealthCheck) -> HealthResult:
    import httpx

    try:
        # Instances are reached without a proxy. httpx's timeout limits each read instead of the whole answer, which
        # could otherwise take forever.
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
