"""`make bench`: figures beside peers, in one run on one machine, printed as Markdown.

Each figure is the median of several runs, with their spread; ratios are of medians. A peer's server is running before its
time starts; our own Postgres is started within ours.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gate
import layers
import release
from servers import BINARIES, server
from timing import SLOW_RUNS, SLOW_SECONDS, Timing, done, inherited, timed

from slipway.postgres import binaries

ROOT = Path(__file__).parents[1]


def main() -> None:
    parts: dict[str, Callable[[argparse.Namespace], Iterator[str]]] = {
        "gate": lambda arguments: gate.gate(arguments.runs, arguments.sizes or gate.SIZES, arguments.plot),
        "layers": lambda arguments: layers.layers(arguments.runs, arguments.sizes or layers.SIZES),
        "postgres": lambda arguments: postgres(arguments.runs),
        "release": lambda arguments: release.release(arguments.runs),
        "rehearsal": lambda arguments: rehearsal(arguments.runs),
    }
    arguments = _arguments(tuple(parts))
    print(
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, PostgreSQL {BINARIES.version}, {arguments.runs} runs, "
        f"{min(arguments.runs, SLOW_RUNS)} of programs that take more than {SLOW_SECONDS} s: median (least to most)\n"
    )
    for name, part in parts.items():
        if name in arguments.only:
            for line in part(arguments):
                print(line, flush=True)
            print()


def _arguments(parts: tuple[str, ...]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each command (default: %(default)s)")
    parser.add_argument("--only", choices=parts, nargs="+", default=parts, help="some parts alone")
    parser.add_argument(
        "--sizes", type=_sizes, help="revisions of the histories, such as 25,50 (default: each part's own)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the gate and its peers there, as SVG")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def postgres(runs: int) -> Iterator[str]:
    """Print the start of a server, beside initdb and pg_ctl of the same binaries."""
    server_binaries = binaries.find(None)
    with server(server_binaries):
        pass  # from here on the cached data directory exists
    ready = Timing(tuple(timed(lambda: _start_and_stop(server_binaries)) for _ in range(runs)))
    plain = Timing(tuple(timed(lambda: _initdb_and_pg_ctl(server_binaries.directory)) for _ in range(runs)))
    yield "| a Postgres that answers | slipway | initdb + pg_ctl | ratio |"
    yield "| --- | --- | --- | --- |"
    yield f"| PostgreSQL {server_binaries.version} | {ready} | {plain} | {ready.median / plain.median:.3f} |"


def rehearsal(runs: int) -> Iterator[str]:
    """Print the whole rehearsal, first with empty caches of environments, then again."""
    yield "| make rehearse, dependencies installed | time |"
    yield "| --- | --- |"
    with tempfile.TemporaryDirectory() as cache:
        command = (sys.executable, "-m", "slipway.cli", "rehearse", "--quiet", "--source", str(ROOT))
        seconds = [
            timed(lambda: done(command, ROOT, inherited() | {"XDG_CACHE_HOME": cache}))
            for _ in range(1 + min(runs, SLOW_RUNS))
        ]
        yield f"| first | {Timing((seconds[0],))} |"
        yield f"| again | {Timing(tuple(seconds[1:]))} |"


def _start_and_stop(installation: binaries.Binaries) -> None:
    with server(installation):
        pass


def _initdb_and_pg_ctl(directory: Path) -> None:
    """Start a server by initdb and pg_ctl, as a user other than root."""
    home = Path(tempfile.mkdtemp(prefix="slipway-bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    home.chmod(0o777)
    identity: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": ()} if os.geteuid() == 0 else {}
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
