import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@contextmanager
def started(database_url):
    """Start the service as a platform does; yields its process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uvicorn = [sys.executable, "-m", "uvicorn", "--factory", "app.main:from_environment", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    if database_url:
        environment["DATABASE_URL"] = database_url
    process = subprocess.Popen(
        uvicorn, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def answering(address, path="/readyz", seconds=60):
    """Wait for the first answer and return it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return httpx.get(address + path)
        except httpx.ConnectError:
            assert time.monotonic() < deadline, "the service does not start"
            time.sleep(0.02)


def stopped(process):
    """Stop the process by SIGTERM and return its output."""
    process.terminate()
    output, _ = process.communicate(timeout=300)
    return output


def waits_for_a_lock(connection):
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return connection.execute(query).fetchone() != (0,)


def test_a_started_service_answers_its_first_health_check_with_200(migrated):
    with started(migrated) as (_, address):
        assert answering(address).status_code == 200


def test_a_service_without_a_database_url_exits_with_one_sentence():
    with started(None) as (process, _):
        output, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert output == "notes: the environment variable DATABASE_URL is not set\n"


def test_all_output_is_json_lines_including_a_traceback(database):
    with started(database) as (process, address):
        answering(address, "/healthz")
        assert httpx.get(f"{address}/notes").status_code == 500  # there is no such table yet
        lines = [json.loads(line) for line in stopped(process).splitlines()]
    assert "Uvicorn running" in "".join(line["message"] for line in lines)
    (failed,) = (line for line in lines if "exception" in line)
    assert failed["level"] == "error"
    assert 'relation "notes" does not exist' in failed["exception"]


def test_sigterm_lets_a_request_in_flight_finish_and_then_ends_the_process(migrated):
    answers = []
    with started(migrated) as (process, address), psycopg.connect(migrated) as holder:
        answering(address)
        holder.execute("LOCK TABLE notes")
        request = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{address}/notes", json={"title": "last"}, timeout=60))
        )
        request.start()
        while not waits_for_a_lock(holder):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.4)
        holder.rollback()
        request.join()
        process.wait(60)
    assert [answer.status_code for answer in answers] == [201]


def test_sigterm_ends_an_idle_service_while_clients_keep_their_connections(migrated):
    with started(migrated) as (process, address), httpx.Client(base_url=address) as client:
        answering(address)
        client.get("/notes")
        process.send_signal(signal.SIGTERM)
        process.wait(60)
