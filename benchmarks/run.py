"""`make bench`: figures side by side with peers, in one run on one machine, printed as Markdown.

Each figure is the median of several runs, with their spread; ratios are of medians. What a peer needs beside it (a running server) is not
counted against us and not for it: our Postgres is started within our time, its server stands ready before.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from anyio.from_thread import start_blocking_portal
from histories import write_project
from timing import Timing, timed

from slipway.postgres import binaries
from slipway.postgres.server import running

ROOT = Path(__file__).parents[1]
PEER_TESTS = "from pytest_alembic.tests import (\n    test_model_definitions_match_ddl, test_single_head_revision, test_up_down_consistency, test_upgrade\n)\n"
PEER_FIXTURES = """\
import os
import uuid

import pytest
import sqlalchemy
from pytest_alembic.config import Config


@pytest.fixture
def alembic_config():
    return Config(config_options={"file": "alembic.ini"})


@pytest.fixture
def alembic_engine():
    url = sqlalchemy.make_url(os.environ["DATABASE_URL"])
    name = f"bench_{uuid.uuid4().hex}"
    with sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    return sqlalchemy.create_engine(url.set(database=name))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each command (default: %(default)s)")
    parser.add_argument("--only", choices=("gate", "postgres", "rehearsal"), help="one part alone")
    given = parser.parse_args()
    parts: dict[str, Callable[[int], Iterator[str]]] = {"gate": gate, "postgres": postgres, "rehearsal": rehearsal}
    print(
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {given.runs} runs each: median (least to most)\n"
    )
    for name, part in parts.items():
        if given.only in (None, name):
            for line in part(given.runs):
                print(line, flush=True)
            print()


def gate(runs: int) -> Iterator[str]:
    """The whole first layer beside pytest-alembic's four tests, on the same histories."""
    yield "| history | slipway gate, its own Postgres included | pytest-alembic, on a running server | ratio |"
    yield "| --- | --- | --- | --- |"
    ours: dict[int, Timing] = {}
    with tempfile.TemporaryDirectory() as home, server() as url:
        for revisions in (100, 500):
            project = Path(home, str(revisions))
            project.mkdir()
            write_project(project, revisions)
            (project / "conftest.py").write_text(PEER_FIXTURES)
            (project / "test_migrations.py").write_text(PEER_TESTS)
            peer = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-c",
                os.devnull,
                "--rootdir",
                str(project),
                "test_migrations.py",
            ]
            command = [sys.executable, "-m", "slipway.cli", "gate", "--source", str(project), "--python", sys.prefix]
            ours[revisions], theirs = in_turn(runs, (command, project, {}), (peer, project, {"DATABASE_URL": url}))
            yield f"| {revisions} revisions | {ours[revisions]} | {theirs} | {ours[revisions].median / theirs.median:.2f} |"
    yield ""
    yield f"time(500) / time(100) = {ours[500].median / ours[100].median:.1f}"


def postgres(runs: int) -> Iterator[str]:
    """A server that answers, beside initdb and pg_ctl of the same binaries."""
    found = binaries.find(None)
    with server():
        pass  # the cached data directory is there from here on
    ready = Timing(tuple(timed(_start_and_stop) for _ in range(runs)))
    plain = Timing(tuple(timed(lambda: _initdb_and_pg_ctl(found.directory)) for _ in range(runs)))
    yield "| a Postgres that answers | slipway | initdb + pg_ctl | ratio |"
    yield "| --- | --- | --- | --- |"
    yield f"| PostgreSQL {found.version} | {ready} | {plain} | {ready.median / plain.median:.3f} |"


def rehearsal(runs: int) -> Iterator[str]:
    """The whole play, first with empty caches of environments, then again."""
    yield "| make rehearse, dependencies installed | time |"
    yield "| --- | --- |"
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "slipway.cli", "rehearse", "--quiet", "--source", str(ROOT)]
        yield f"| first | {Timing((run(command, ROOT, {'XDG_CACHE_HOME': cache}),))} |"
        yield f"| again | {Timing(tuple(run(command, ROOT, {'XDG_CACHE_HOME': cache}) for _ in range(min(runs, 3))))} |"


def in_turn(runs: int, *commands: tuple[list[str], Path, dict[str, str]]) -> list[Timing]:
    """Each command once to warm up, then all of them in turn, so that a drifting machine is fair to all."""
    for command in commands:
        run(*command)
    seconds = [[run(*command) for command in commands] for _ in range(runs)]
    return [Timing(tuple(column)) for column in zip(*seconds, strict=True)]


def run(command: list[str], folder: Path, variables: dict[str, str]) -> float:
    """Seconds of a whole process. Generated histories build indexes as nobody should, so the gate's answer is 1; the peer must pass."""
    answers = (0, 1) if "slipway.cli" in command else (0,)
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=inherited | variables, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode not in answers:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


@contextmanager
def server() -> Iterator[str]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running(binaries.find(None))) as started:
        yield started.url


def _start_and_stop() -> None:
    with server():
        pass


def _initdb_and_pg_ctl(directory: Path) -> None:
    """As everybody does it, as a user who is not root."""
    home = Path(tempfile.mkdtemp(prefix="slipway-bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    home.chmod(0o777)
    identity = {"user": 65534, "group": 65534, "extra_groups": ()} if os.geteuid() == 0 else {}
    try:
        for command in (
            [directory / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust"],
            [
                directory / "pg_ctl",
                "-D",
                home / "data",
                "-o",
                f"-p 54329 -k {home} -c listen_addresses=''",
                "-w",
                "start",
            ],
            [directory / "pg_ctl", "-D", home / "data", "-m", "immediate", "stop"],
        ):
            subprocess.run(
                list(map(str, command)),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
                cwd="/",
                **identity,
            )
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
