import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # to load those of the machine takes a while
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


def answering(client, path="/readyz", seconds=60):
    """Wait for the first answer and return it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return client.get(path)
        except httpx.ConnectError:
            assert time.monotonic() < deadline, "the service does not start"
            time.sleep(0.05)


def waits_for_a_lock(connection):
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return connection.execute(query).fetchone() != (0,)


def test_a_service_without_a_database_url_exits_with_one_sentence():
    with started(None) as (process, _):
        output, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert output == "notes: the environment variable DATABASE_URL is not set\n"


@pytest.fixture(scope="module")
def life(server, template):
    """One service from its first answer to SIGTERM, while a request is in flight and another client is idle: answers and output by name."""
    name = f"test_{secrets.token_hex(6)}"
    url = f"{server.rpartition('/')[0]}/{name}"
    answers = {}
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        with (
            started(url) as (process, address),
            httpx.Client(base_url=address, timeout=60, verify=NO_CERTIFICATES) as busy,
            httpx.Client(base_url=address, timeout=60, verify=NO_CERTIFICATES) as idle,
            psycopg.connect(url) as holder,
        ):
            answers["first"] = answering(busy)
            holder.execute("ALTER TABLE notes RENAME TO elsewhere")
            holder.commit()
            answers["failed"] = busy.get("/notes")
            holder.execute("ALTER TABLE elsewhere RENAME TO notes")
            holder.commit()
            answers["idle"] = idle.get("/notes")
            holder.execute("LOCK TABLE notes")
            request = threading.Thread(target=lambda: answers.update(last=busy.post("/notes", json={"title": "last"})))
            request.start()
            while not waits_for_a_lock(holder):
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.4)
            holder.rollback()
            request.join()
            output, _ = process.communicate(timeout=60)  # the idle client is still connected
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    return {name: answer.status_code for name, answer in answers.items()}, output


def test_a_started_service_answers_its_first_health_check_with_200(life):
    answers, _ = life
    assert answers["first"] == 200


def test_all_output_is_json_lines_including_a_traceback(life):
    answers, output = life
    assert answers["failed"] == 500  # there is no such table
    lines = [json.loads(line) for line in output.splitlines()]
    assert "Uvicorn running" in "".join(line["message"] for line in lines)
    (failed,) = (line for line in lines if "exception" in line)
    assert failed["level"] == "error"
    assert 'relation "notes" does not exist' in failed["exception"]


def test_sigterm_lets_a_request_in_flight_finish_and_ends_the_process_while_an_idle_client_keeps_its_connection(life):
    answers, _ = life
    assert (answers["idle"], answers["last"]) == (200, 201)
