"""Revisions that do to their process, their connection and their session what none should: each ends in a finding or in one sentence."""

import multiprocessing
import os
import select
import time
from pathlib import Path

import psycopg
import pytest

from slipway.gate import deadline
from slipway.records.form import from_json
from slipway.records.proof import Layer, Proof
from slipway.records.refusal import Refusal
from tests.gate.conftest import named

pytestmark = pytest.mark.slow

ONE = {"one": (None, "op.execute('CREATE TABLE a (id int)')", "op.drop_table('a')")}
GOOD = ("op.execute('CREATE TABLE b (id int)')", "op.drop_table('b')")


def left_over(server):
    with psycopg.connect(server) as connection:
        return connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'slipway_gate_%'").fetchall()


def errors(written):
    return [
        (each.rule, each.revision, each.measured) for each in from_json(Proof, written, "here").findings if each.fails
    ]


@pytest.mark.parametrize(
    ("kills", "why"),
    [
        ("import os\nos._exit(0)", "its process ended with the exit code 0"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "its process was killed by signal 9"),
        ("import ctypes\nctypes.string_at(0)", "its process was killed by signal 11"),
    ],
    ids=["exit", "SIGKILL", "segmentation fault"],
)
def test_a_revision_that_kills_its_process_is_reported_by_name(
    write_project, gate, server_url, server, tmp_path, kills, why
):
    write_project({**ONE, "two": ("one", kills, "")})
    process = gate(database=named(server_url))
    printed = "".join(process.communicate(timeout=300))
    refusal = from_json(Refusal, (tmp_path / "proof.json").read_text(), "here")
    assert process.returncode == 1
    assert refusal.next_step == f"{why} in revision two (migrations/versions/two.py); see what the code there does"
    assert printed == f"the history could not be tested: {refusal.next_step}\n"
    assert left_over(server) == []


HANGS = {
    "sleep": "import time\ntime.sleep(1000)",
    "loop": "while True:\n    pass",
    "retries": "import time\nwhile True:\n    try:\n        time.sleep(1000)\n    except Exception:\n        pass",
    "thread": "import threading\nthreading.Event().wait()",
}


@pytest.mark.parametrize("body", HANGS.values(), ids=HANGS)
def test_a_revision_that_never_ends_is_a_finding(write_project, run_gate, server_url, server, body):
    write_project({**ONE, "two": ("one", body, ""), "three": ("two", *GOOD)})
    _, written = run_gate(timeout=2, database=named(server_url))
    said = "TookTooLongError: revision two (migrations/versions/two.py) did not end within 2 s, the timeout of [tool.slipway.migrations]"
    assert errors(written) == [("U01", "two", said)]
    assert left_over(server) == []


def test_a_revision_that_never_ends_in_another_process_of_the_gate_is_a_finding(
    write_project, run_gate, server_url, server
):
    long = {f"r{number:02}": (f"r{number - 1:02}" if number else None, "", "") for number in range(60)}
    write_project({**long, "r10": ("r09", HANGS["sleep"], "")})
    _, written = run_gate(timeout=2, database=named(server_url))
    assert [error[:2] for error in errors(written)] == [("U01", "r10")]
    assert left_over(server) == []


def test_an_env_py_that_never_ends_is_one_sentence(write_project, run_gate, server_url):
    write_project(ONE, env="import time\ntime.sleep(1000)\n")
    printed, _ = run_gate(timeout=2, database=named(server_url))
    assert "migrations/env.py line 2 fails before the first revision: TookTooLongError" in printed
    assert len(printed.splitlines()) == 1


def test_a_revision_whose_import_never_ends_is_one_sentence(write_project, run_gate, server_url, tmp_path):
    write_project(ONE)
    with (tmp_path / "migrations/versions/one.py").open("a") as file:
        file.write("import time\ntime.sleep(1000)\n")
    printed, _ = run_gate(timeout=2, database=named(server_url))
    assert "the import of the revisions did not end within 2 s" in printed
    assert len(printed.splitlines()) == 1


def test_a_revision_that_catches_every_exception_is_ended_by_force(
    write_project, gate, server_url, server, monkeypatch
):
    # Inherited by the fork that the gate is here; the exception is raised again several times before the end by force.
    monkeypatch.setattr(deadline, "_REPEAT_SECONDS", 0.25)
    monkeypatch.setattr(deadline, "_GRACE_SECONDS", 1.0)
    forever = "import time\nwhile True:\n    try:\n        time.sleep(1000)\n    except BaseException:\n        pass"
    write_project({**ONE, "two": ("one", forever, "")})
    printed = "".join(gate(timeout=2, database=named(server_url)).communicate(timeout=300))
    assert "its process could not be interrupted in revision two (migrations/versions/two.py)" in printed
    assert left_over(server) == []


FORKS = "import os\nif os.fork() == 0:\n    {child}"


@pytest.mark.parametrize("child", ["pass", "raise ValueError('a child')", "import time\n    time.sleep(1000)"])
def test_a_revision_that_forks_does_not_make_two_gates(write_project, run_gate, server_url, server, child):
    write_project({**ONE, "two": ("one", f"{GOOD[0]}\n{FORKS.format(child=child)}", GOOD[1])})
    printed, written = run_gate(database=named(server_url))
    assert (errors(written), printed) == ([], "")
    assert left_over(server) == []


def test_processes_that_a_revision_starts_do_not_outlive_the_gate(write_project, run_gate, server_url, tmp_path):
    starts = "import subprocess\nopen('started', 'a').write(str(subprocess.Popen(['sleep', '1000']).pid) + ' ')"
    write_project({"one": (None, starts, "")})
    run_gate(database=named(server_url))
    for process in (tmp_path / "started").read_text().split():
        assert not is_alive(process)


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_gate_that_is_stopped_drops_its_databases(write_project, gate, server_url, server, tmp_path):
    write_project({"one": (None, "open('begun', 'w')\nimport time\ntime.sleep(1000)", "")})
    process = gate(database=named(server_url))
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    assert left_over(server) != []
    process.terminate()
    process.communicate(timeout=300)
    assert left_over(server) == []


def test_the_gate_ends_with_the_process_that_asked_even_when_that_is_killed(
    write_project, gate, server_url, server, tmp_path
):
    write_project({"one": (None, "import time\nopen('begun', 'w')\ntime.sleep(1000)", "")})
    read, write = os.pipe()
    asking = multiprocessing.get_context("fork").Process(
        target=lambda: gate(database=named(server_url)).communicate(300)
    )
    asking.start()
    os.close(write)
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    assert left_over(server) != []
    asking.kill()
    assert select.select([read], [], [], 60)[0], "a process of the gate still has the other end"
    os.close(read)
    assert left_over(server) == []


@pytest.mark.parametrize("step", ["up", "down"])
def test_a_revision_that_ends_its_own_connection_is_a_finding(write_project, run_gate, server_url, step):
    ends = "op.execute('SELECT pg_terminate_backend(pg_backend_pid())')"
    bodies = (ends, "pass") if step == "up" else ("op.execute('CREATE TABLE c (id int)')", ends)
    write_project({**ONE, "two": ("one", *bodies), "three": ("two", *GOOD)})
    printed, written = run_gate(database=named(server_url))
    ((rule, revision, said),) = errors(written)
    assert (rule, revision, printed) == ("U01" if step == "up" else "R02", "two", "")
    assert "terminating connection" in said


@pytest.mark.parametrize(
    "body",
    [
        "print(SECRETS)\nimport sys\nprint(SECRETS, file=sys.stderr)",
        "raise RuntimeError(SECRETS)",
        "op.execute('SELECT ' + sa.literal(SECRETS).compile(compile_kwargs={'literal_binds': True}).string)",
        "raise SystemExit(SECRETS)",
        "import os, sys\nprint(SECRETS, file=sys.stderr, flush=True)\nos._exit(1)",
    ],
    ids=["prints", "raises", "executes", "exits", "prints and dies"],
)
def test_secrets_reach_no_report(write_project, gate, server_url, tmp_path, body):
    secrets = "import os\nSECRETS = context.config.get_main_option('sqlalchemy.url') + os.environ['SIGNING_KEY']\n"
    get = "from alembic import context\n" + secrets
    write_project({**ONE, "two": ("one", get + body, "")})
    process = gate(layers=(Layer.TRACE,), database=named(server_url, SIGNING_KEY="canary-of-the-key"))
    process.communicate(timeout=300)
    written = (tmp_path / "proof.json").read_text()
    assert "canary" not in written
    assert server_url.password not in written
    assert ("***" in written) is not body.startswith(("print", "import"))
