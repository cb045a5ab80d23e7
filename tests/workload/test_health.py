import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from slipway.simulator.serving import serving
from slipway.workload.process import free_port
from slipway.workload.workload import HealthCheck, HealthResult, ask

HTTP = HealthCheck(path="/healthz", timeout=60)
TCP = HealthCheck(timeout=60)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers as its path says: a status, or something odd."""
    path = Request(scope).url.path.strip("/")
    answers = {
        "moved": RedirectResponse("/200", 307),
        "slow": StreamingResponse(_drops(0.5), media_type="text/plain"),
        "endless": StreamingResponse(_drops(0.02), media_type="text/plain"),
    }
    answer: Response = answers.get(path) or PlainTextResponse("", int(path))
    await answer(scope, receive, send)


async def _drops(seconds: float):
    while True:
        await anyio.sleep(seconds)
        yield b"."


@contextmanager
def silent() -> Iterator[str]:
    """An address where connections are taken and never answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("status", [200, 204])
async def test_a_status_in_the_two_hundreds_is_healthy(status):
    async with serving(app) as address:
        assert await ask(address, HealthCheck(path=f"/{status}")) == HealthResult(True, str(status))


@pytest.mark.parametrize(("path", "said"), [("/404", "404"), ("/500", "500"), ("/503", "503"), ("/moved", "307")])
async def test_any_other_status_is_not_healthy_and_told(path, said):
    async with serving(app) as address:
        assert await ask(address, HealthCheck(path=path)) == HealthResult(False, said)


@pytest.mark.parametrize(
    ("detail", "final"), [("404", True), ("307", True), ("503", False), ("connection refused", False)]
)
def test_what_the_routes_answer_stays_and_what_a_server_fails_at_may_pass(detail, final):
    assert HealthResult(False, detail).final is final


async def test_a_listener_is_healthy_over_tcp_whatever_it_would_answer():
    with silent() as address:
        assert await ask(address, TCP) == HealthResult(True, "connected")


@pytest.mark.parametrize("check", [HTTP, TCP], ids=["HTTP", "TCP"])
async def test_a_refused_connection_is_not_healthy(check):
    answer = await ask(f"127.0.0.1:{free_port()}", check)
    assert not answer.healthy
    assert answer.detail


async def test_no_answer_in_time_is_not_healthy():
    with silent() as address:
        assert await ask(address, replace(HTTP, timeout=0.2)) == HealthResult(False, "no answer within 0.2 s")


@pytest.mark.parametrize("path", ["/slow", "/endless"])
async def test_an_answer_that_does_not_end_in_time_is_not_healthy(path):
    async with serving(app) as address:
        with anyio.fail_after(60):
            assert await ask(address, HealthCheck(path=path, timeout=0.2)) == HealthResult(
                False, "no answer within 0.2 s"
            )


async def test_something_else_than_http_is_not_healthy():
    async def rude(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"SSH-2.0-OpenSSH_9.2\r\n")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, rude)
        answer = await ask(f"127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}", HTTP)
        tasks.cancel_scope.cancel()
    assert not answer.healthy


@pytest.mark.parametrize("check", [HTTP, TCP], ids=["HTTP", "TCP"])
async def test_an_instance_is_asked_directly_whatever_proxy_the_machine_has(check, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with serving(app) as address:
        assert (await ask(address, HealthCheck(path=check.path and "/200"))).healthy


def test_the_numbers_are_app_runners_own():
    assert HealthCheck() == HealthCheck(path=None, interval=5, timeout=2, healthy_threshold=1, unhealthy_threshold=5)
