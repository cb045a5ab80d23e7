"""The clients' act depends on failed requests, never on the speed of the machine; a slow start is no failed start."""

from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.abc
import pytest

from slipway.errors import BadInputError
from slipway.records.rehearsal import Traffic
from slipway.rehearsal.clients import Clients, act_of_clients
from slipway.rehearsal.stage import WaitingBackend
from slipway.simulator.clock import Clock, VirtualClock
from slipway.workload.workload import LaunchSpec


async def answer(status, delay, stream):
    """Answer every request of a connection after a delay."""
    async with stream:
        try:
            while await stream.receive():
                await anyio.sleep(delay)
                await stream.send(f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode())
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass


@asynccontextmanager
async def serving(status):
    """Yield the URL of a server that answers every request with this status."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as server:
        server.start_soon(listener.serve, partial(answer, status, 0.0))
        yield f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        await anyio.wait_all_tasks_blocked()  # a server that is cancelled as a connection arrives leaves it open
        server.cancel_scope.cancel()


async def traffic_of(status):
    """Return the traffic that clients of a server see until each of them has been served again."""
    clients = Clients(("/",), Clock())
    async with serving(status) as url, anyio.create_task_group() as tasks:
        clients.start(url, tasks)
        await clients.served()
        tasks.cancel_scope.cancel()
    return clients.traffic()


async def test_every_client_is_served_before_an_act_counts_as_served():
    traffic = await traffic_of(200)
    assert traffic.requests >= 2 * 4
    assert act_of_clients(traffic).passed


async def test_clients_also_send_requests_while_the_clock_of_the_platform_jumps(monkeypatch):
    monkeypatch.setattr("slipway.rehearsal.clients._INTERVAL_SECONDS", 3600)
    clock = VirtualClock()
    clients = Clients(("/",), clock)
    async with serving(200) as url, anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        clients.start(url, tasks)
        await clients.served()
        before = clients.requests
        for _ in range(6):
            await clock.sleep(10)
        tasks.cancel_scope.cancel()
    assert clients.requests - before >= 4 * 5


async def test_a_failed_request_fails_the_act_and_is_shown():
    act = act_of_clients(await traffic_of(503))
    assert not act.passed
    assert act.details[0] == "/: 503"


async def test_a_path_that_fails_before_any_act_ends_the_rehearsal_and_names_the_setting():
    async with serving(500) as url:
        with pytest.raises(BadInputError, match=r"before any act, /: 500: name paths .* in smoke-paths"):
            await Clients((), Clock()).check(url)


async def test_a_service_without_a_page_at_its_root_is_one_that_answers():
    async with serving(404) as url:
        await Clients((), Clock()).check(url)


def test_failures_of_a_canary_that_was_taken_back_are_expected_and_no_others():
    act = act_of_clients(Traffic(requests=80, failed=2, taken_back=2, seconds=9, longest_gap=1, failures=("/: 500",)))
    assert act.passed
    assert act.happened == "80 requests, 2 failed (2 by the release of act IV), longest time without an answer 1000 ms"
    assert not act.details
    assert not act_of_clients(Traffic(requests=80, failed=3, taken_back=2, seconds=9, longest_gap=1)).passed


@pytest.mark.parametrize("seconds", [0.1, 3600.0])
def test_a_slow_machine_does_not_fail_the_act(seconds):
    slow = Traffic(requests=8, failed=0, seconds=seconds, longest_gap=seconds / 2)
    assert act_of_clients(slow).passed


async def test_waiting_for_clients_that_were_never_started_ends_at_once():
    with anyio.fail_after(60):
        await Clients((), Clock()).served()


class Late:
    """A workload that may listen later, or may have exited."""

    def __init__(self, port, exit_code=None):
        self.address, self.exit_code = f"127.0.0.1:{port}", exit_code


class LateBackend:
    how = "a test"

    def __init__(self, workload):
        self.workload = workload

    @asynccontextmanager
    async def start(self, _order, _on_line):
        yield self.workload


ORDER = LaunchSpec(repository="notes", digest="sha256:1", port=8000)


async def test_an_instance_counts_as_started_when_it_listens(free_tcp_port):
    events = []

    async def listen_late():
        await anyio.sleep(0.2)
        events.append("listens")
        async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=free_tcp_port) as listener:
            await listener.serve(partial(answer, 200, 0.0))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen_late)
        async with WaitingBackend(LateBackend(Late(free_tcp_port))).start(ORDER, print):
            events.append("started")
        tasks.cancel_scope.cancel()
    assert events == ["listens", "started"]


async def test_an_instance_that_has_exited_is_not_waited_for(free_tcp_port):
    with anyio.fail_after(30):  # the wait itself would take 60 s
        async with WaitingBackend(LateBackend(Late(free_tcp_port, exit_code=1))).start(ORDER, print) as workload:
            assert workload.exit_code == 1
