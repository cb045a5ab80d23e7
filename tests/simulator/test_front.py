import gzip
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import anyio
import anyio.abc
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from slipway.simulator import serving as serving_module
from slipway.simulator.serving import Front, serving
from slipway.workload.process import free_port
from slipway.workload.workload import NO_CERTIFICATES
from tests.simulator.account import BRISK, asked, opened


@asynccontextmanager
async def instance(name: str = "one") -> AsyncIterator[str]:
    """An instance that tells what it was asked; gives its address."""

    async def tell(request: Request) -> Response:
        body = await request.body()
        told = {
            "instance": name,
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.scope["query_string"].decode(),
            "headers": [(key.decode(), value.decode()) for key, value in request.headers.raw],
            "body": len(body),
        }
        return JSONResponse(told, headers={"x-method": request.method})

    async def slow(request: Request) -> Response:
        await anyio.sleep(float(request.path_params["seconds"]))
        return PlainTextResponse(name)

    async def drip(_request: Request) -> Response:
        async def drops() -> AsyncIterator[bytes]:
            while True:
                yield b"." * 1000
                await anyio.sleep(0.01)

        return StreamingResponse(drops())

    async def odd(request: Request) -> Response:
        answers = {
            "teapot": PlainTextResponse("short and stout", 418),
            "moved": RedirectResponse("/elsewhere", 302),
            "packed": Response(gzip.compress(b"packed"), headers={"content-encoding": "gzip"}),
            "empty": Response(status_code=204),
        }
        answer = answers[request.path_params["kind"]]
        answer.headers.append("set-cookie", "one=1")
        answer.headers.append("set-cookie", "two=2")
        return answer

    routes = [
        Route("/slow/{seconds}", slow),
        Route("/drip", drip),
        Route("/odd/{kind}", odd),
        Route("/{path:path}", tell, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ]
    async with serving(Starlette(routes=routes)) as address:
        yield address


@pytest.fixture(scope="module")
async def one() -> AsyncIterator[str]:
    async with instance("one") as address:
        yield address


@pytest.fixture(scope="module")
async def two() -> AsyncIterator[str]:
    async with instance("two") as address:
        yield address


@asynccontextmanager
async def fronted(upstream: str | None) -> AsyncIterator[tuple[Front, httpx.AsyncClient]]:
    """A front before an instance, and a client with kept connections."""
    front = Front()
    front.route(upstream)
    async with (
        serving(front) as address,
        httpx.AsyncClient(verify=NO_CERTIFICATES, base_url=f"http://{address}") as client,
    ):
        yield front, client
    await front.close()


async def drained(front: Front, upstream: str) -> None:
    """Wait until the instance has answered all requests that the front passed to it."""
    with anyio.fail_after(60):
        await front.drained(upstream)


async def test_without_an_instance_the_answer_is_503():
    async with fronted(None) as (_, client):
        answer = await client.get("/")
    assert (answer.status_code, answer.text) == (503, "no healthy upstream")


async def test_an_instance_that_is_gone_is_503():
    async with fronted(f"127.0.0.1:{free_port()}") as (_, client):
        answer = await client.get("/")
    assert answer.status_code == 503
    assert answer.text.startswith("upstream connect error")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_request_arrives_with_its_method_headers_and_body(one, method):
    async with fronted(one) as (_, client):
        answer = await client.request(method, "/notes", content=b"x" * 100_000, headers={"x-request-id": "7"})
        told = answer.json()
        assert (told["method"], told["body"]) == (method, 100_000)
        assert ["x-request-id", "7"] in told["headers"]
        assert ["host", client.base_url.netloc.decode()] in told["headers"]


async def test_a_head_request_has_no_body(one):
    async with fronted(one) as (_, client):
        answer = await client.head("/notes")
    assert (answer.headers["x-method"], answer.content) == ("HEAD", b"")


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a/b/",
        "/a%2Fb",
        "/a%3Fb%20c",
        "/gr%C3%B6%C3%9Fe",
        "/?flag",
        "/?a=b%20c&a=+d&e=",
        "/?q=%E2%98%83&&x",
        "//x//y",
    ],
)
async def test_path_and_query_arrive_as_they_were_sent(one, target):
    async with fronted(one) as (_, client):
        answer = await client.get(httpx.URL(client.base_url).copy_with(raw_path=target.encode()))
        told = answer.json()
    path, _, query = target.partition("?")
    assert (told["path"], told["query"]) == (path, query)


async def test_nothing_is_asked_for_in_the_clients_name(one):
    async with fronted(one) as (_, client):
        for name in ("accept", "accept-encoding", "user-agent"):
            del client.headers[name]
        told = (await client.get("/")).json()
    assert {name for name, _ in told["headers"]} <= {"host", "connection"}


@pytest.mark.parametrize(("kind", "status"), [("teapot", 418), ("moved", 302), ("empty", 204), ("packed", 200)])
async def test_an_answer_comes_back_as_it_was_given(one, kind, status):
    async with fronted(one) as (_, client):
        direct = await client.get(f"http://{one}/odd/{kind}")
        answer = await client.get(f"/odd/{kind}")
    assert answer.status_code == direct.status_code == status
    assert answer.content == direct.content
    assert answer.headers.get_list("set-cookie") == ["one=1", "two=2"]
    assert answer.headers.get("content-encoding") == direct.headers.get("content-encoding")
    assert answer.headers.get("location") == direct.headers.get("location")


async def test_an_answer_is_passed_on_as_it_comes(one):
    async with fronted(one) as (_, client), client.stream("GET", "/drip") as answer:
        with anyio.fail_after(60):
            assert (await anext(answer.aiter_raw())).startswith(b".")


async def test_a_kept_connection_outlives_the_instance_that_answered_its_last_request(two):
    async with fronted(None) as (front, client):
        async with instance("one") as one:
            front.route(one)
            first = await client.get("/")
            connection = first.extensions["network_stream"].get_extra_info("client_addr")
            front.route(two)
        second = await client.get("/")
        assert second.extensions["network_stream"].get_extra_info("client_addr") == connection
    assert (first.json()["instance"], second.json()["instance"]) == ("one", "two")


async def test_traffic_is_divided_by_weight_and_each_answer_is_counted(one, two):
    async with fronted(None) as (front, client):
        front.split({one: 90, two: 10, "": 0})
        names = [(await client.get("/")).json()["instance"] for _ in range(10)]
        front.split({two: 1, "": 1})
        statuses = [(await client.get("/odd/teapot")).status_code for _ in range(4)]
    assert Counter(names) == {"one": 9, "two": 1}
    assert sorted(statuses) == [418, 418, 503, 503]


async def test_a_small_share_that_is_named_again_and_again_gets_its_requests(one, two):
    async with fronted(None) as (front, client):
        names = []
        for _ in range(20):
            front.split({one: 95, two: 5})
            names.append((await client.get("/")).json()["instance"])
    assert Counter(names) == {"one": 19, "two": 1}


async def test_an_instance_is_drained_when_it_has_answered_what_it_had(two):
    begun, may_answer = anyio.Event(), anyio.Event()

    async def held(_request: Request) -> Response:
        begun.set()
        await may_answer.wait()
        return PlainTextResponse("one")

    async with serving(Starlette(routes=[Route("/slow/0", held)])) as one, fronted(one) as (front, client):
        answers = []

        async def ask() -> None:
            answers.append((await client.get("/slow/0")).text)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await begun.wait()
            front.route(two)
            await ask()
            with anyio.move_on_after(0.02) as too_early:
                await front.drained(one)
            assert too_early.cancelled_caught
            may_answer.set()
            await drained(front, one)
    assert answers == ["two", "one"]


async def test_an_answer_that_never_ends_does_not_hold_an_instance_for_ever(one, monkeypatch):
    monkeypatch.setattr(serving_module, "_DRAIN_SECONDS", 0.05)
    async with fronted(one) as (front, client), client.stream("GET", "/drip"):
        await drained(front, one)


async def raw(client: httpx.AsyncClient, request: bytes, *, until: float = 0.1) -> None:
    """Send the beginning of a request, and hang up."""
    async with await anyio.connect_tcp(client.base_url.host, client.base_url.port) as stream:
        await stream.send(request)
        await anyio.sleep(until)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /slow/0.3 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /drip HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /notes HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf",
    ],
    ids=["before the answer", "within the answer", "within the request"],
)
async def test_a_client_that_hangs_up_does_not_hold_an_instance(one, request_, monkeypatch):
    monkeypatch.setattr(serving_module, "_DRAIN_SECONDS", float("inf"))
    async with fronted(one) as (front, client):
        await raw(client, request_)
        await drained(front, one)


async def test_an_answer_that_the_instance_breaks_off_is_broken_off(monkeypatch):
    monkeypatch.setattr(serving_module, "_DRAIN_SECONDS", float("inf"))

    async def rude(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, rude)
        upstream = f"127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        async with fronted(upstream) as (front, client):
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/")
            await drained(front, upstream)
        tasks.cancel_scope.cancel()


async def test_a_request_in_flight_when_a_server_ends_is_no_error_of_the_server(monkeypatch, caplog):
    """Ctrl-C during a rehearsal printed uvicorn's traceback of each."""
    monkeypatch.setattr(serving_module, "GRACE_SECONDS", 0)
    begun, ended = anyio.Event(), []

    async def never(_scope, _receive, _send):
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    async with serving(never) as address:
        client = await anyio.connect_tcp("127.0.0.1", int(address.rpartition(":")[2]))
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await begun.wait()
    await client.aclose()
    assert (ended, caplog.messages) == ([True], [])


async def test_an_instance_is_reached_directly_whatever_proxy_the_machine_has(one, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    front = Front()
    front.route(one)
    async with serving(front) as address, httpx.AsyncClient(verify=NO_CERTIFICATES, trust_env=False) as client:
        assert (await client.get(f"http://{address}/")).status_code == 200
    await front.close()


@pytest.mark.slow
async def test_no_request_fails_while_traffic_moves():
    """On new connections, on kept ones, and on ones that take their time."""
    async with opened(pace=replace(BRISK, update=20, route=20)) as account:
        digests = [await account.image() for _ in range(4)]
        arn = await account.create(digests[0])
        url = f"http://{(await account.described(arn))['ServiceUrl']}"
        answered: Counter[str] = Counter()
        failures: list[str] = []
        done = anyio.Event()

        async def visit(*, kept: bool, path: str) -> None:
            client = httpx.AsyncClient(verify=NO_CERTIFICATES)
            while not done.is_set():
                try:
                    answer = await client.get(f"{url}{path}", headers={} if kept else {"connection": "close"})
                    answered[answer.text.partition("\n")[0]] += 1
                    if answer.status_code != 200:
                        failures.append(answer.text)
                except httpx.HTTPError as error:
                    failures.append(repr(error))
            await client.aclose()

        async with anyio.create_task_group() as visitors:
            visits = [
                partial(visit, kept=kept, path=path) for path in ("/", "/slow/0.05") for kept in (True, False) * 2
            ]
            for each in visits:
                visitors.start_soon(each)
            for digest in digests[1:]:
                assert (await account.update(arn, **asked(digest)))["Status"] == "SUCCEEDED"
                while answered[digest] < 3 * len(visits):  # noqa: ASYNC110 -- an event per answer would be more to read
                    await anyio.sleep(0.01)
            done.set()
    assert failures == []
    assert answered.keys() >= set(digests[1:])


async def until_refused(host: str, port: int) -> None:
    while True:
        async with await anyio.connect_tcp(host, port):
            await anyio.sleep(0.02)


async def test_the_address_stays_the_same_and_ends_with_the_service(account):
    arn = await account.create(await account.image())
    before = (await account.described(arn))["ServiceUrl"]
    await account.update(arn, **asked(await account.image()))
    assert (await account.described(arn))["ServiceUrl"] == before
    await account.ask("apprunner", "delete_service", ServiceArn=arn)
    await account.settled(arn)
    host, _, port = before.partition(":")
    with pytest.raises(OSError, match="All connection attempts failed"), anyio.fail_after(60):
        await until_refused(host, int(port))
