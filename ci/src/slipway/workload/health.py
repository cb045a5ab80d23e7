"""Is it healthy? Asked as App Runner asks: over HTTP or TCP, every so often, with a time-out and thresholds."""

import ssl
from dataclasses import dataclass

import anyio

# Instances speak plain HTTP; httpx reads the machine's certificates for every client else, 40 ms each time.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """How an instance is asked; times in seconds, thresholds in answers in a row. Without a path a TCP connection is enough."""

    path: str | None = None
    interval: float = 5
    timeout: float = 2
    healthy_threshold: int = 1
    unhealthy_threshold: int = 5


@dataclass(frozen=True)
class Answer:
    """One answer: healthy or not, and in words."""

    healthy: bool
    said: str


async def ask(address: str, check: HealthCheck) -> Answer:
    """Ask the instance at `address` (`host:port`) once; `timeout` is kept in real seconds."""
    return await (_ask_http(address, check) if check.path else _ask_tcp(address, check))


async def _ask_http(address: str, check: HealthCheck) -> Answer:
    import httpx

    try:
        # An instance stands behind no proxy; and httpx's own time-outs are good for one read, so that an answer could drip for ever.
        async with httpx.AsyncClient(timeout=check.timeout, trust_env=False, verify=NO_CERTIFICATES) as client:
            with anyio.fail_after(check.timeout):
                answer = await client.get(f"http://{address}{check.path}")
    except (TimeoutError, httpx.TimeoutException):
        return Answer(False, f"no answer within {check.timeout:g} s")
    except httpx.HTTPError as error:
        return Answer(False, str(error) or type(error).__name__)
    return Answer(answer.is_success, f"{answer.status_code}")


async def _ask_tcp(address: str, check: HealthCheck) -> Answer:
    host, _, port = address.rpartition(":")
    try:
        with anyio.fail_after(check.timeout):
            async with await anyio.connect_tcp(host, int(port)):
                return Answer(True, "connected")
    except TimeoutError:
        return Answer(False, f"no connection within {check.timeout:g} s")
    except OSError as error:
        return Answer(False, str(error))
