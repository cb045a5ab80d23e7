"""Figures of image and checks on a Dagger engine beside `docker build`, printed as Markdown.

Needs a dockerd and an engine of your own on one machine: each cold build deletes the whole cache of both. The floor is the
engine's own time for any call (it starts the module twice), measured in turn with the rest and shown apart.
SLIPWAY_ENGINE_ARGUMENTS names the images for a machine that takes its images from elsewhere, as in the tests of the engine.
"""

import argparse
import os
import socket
import statistics
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import archive
import sides
from archive import Archive
from sides import Side
from timing import Timing, done, seconds

_MIGRATION = "migrations/versions/8c1f6e93ab20_add_body_beside_content.py"
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Bench:
    """The input of every part: both sides, the service's copy, a folder for archives."""

    docker: Side
    slipway: Side
    folder: Path
    scratch: Path
    runs: int
    cold: int


@dataclass(frozen=True)
class Turn:
    """Three commands run one after the other, so that a drifting machine affects all alike."""

    docker: float
    floor: float
    slipway: float

    @property
    def beyond(self) -> float:
        return self.slipway - self.floor


def main() -> None:
    parts: dict[str, Callable[[Bench], Iterator[str]]] = {
        "builds": builds,
        "content": content,
        "start": start,
        "checks": checks,
        "rehearsal": rehearsal,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of what is warm (default: %(default)s)")
    parser.add_argument(
        "--cold", type=int, default=3, help="runs of what is cold, and of what is long (default: %(default)s)"
    )
    parser.add_argument("--only", choices=parts, help="one part alone")
    given = parser.parse_args()
    images = sides.images()
    print(
        f"{os.cpu_count()} processors, {given.runs} runs, of cold and long ones {given.cold}: median (least to most)\n"
    )
    with sides.service(images) as folder, tempfile.TemporaryDirectory() as scratch:
        bench = Bench(sides.docker(images), sides.slipway(images), folder, Path(scratch), given.runs, given.cold)
        for name, part in parts.items():
            if given.only in {None, name}:
                for line in part(bench):
                    print(line, flush=True)
                print()


def builds(bench: Bench) -> Iterator[str]:
    """Print cold builds, builds after an edit of one line, and builds without a change."""
    yield "| build | docker build | dagger call image | the floor | beyond the floor | ratio |"
    yield "| --- | --- | --- | --- | --- | --- |"
    yield _row("cold: no layers, no cache of uv's", [_cold(bench) for _ in range(bench.cold)])
    yield _row("one line of app/ changed", [_edited(bench) for _ in range(bench.runs)])
    yield _row("nothing changed", [_turn(bench) for _ in range(bench.runs)])


def content(bench: Bench) -> Iterator[str]:
    """Print the content above the base, after an edit and in a second build."""
    first, edited, again = {}, {}, {}
    both = (bench.docker, bench.slipway)
    for side in both:
        first[side] = _built(bench, side)
    sides.edit(bench.folder, sides.APP)
    for side in both:
        edited[side] = _built(bench, side)
    for side in both:
        _forget(bench, side)
        again[side] = _built(bench, side)
    base = archive.shared(*first.values())
    yield "| image | files beyond the base | compressed | one line changed: layers, bytes | a second build: files that differ, layers |"
    yield "| --- | --- | --- | --- | --- |"
    for side in both:
        one, other, second = (archive.read(built[side], base) for built in (first, edited, again))
        yield f"| {side.name} | {_size(one)} | {_changed(one, other)} | {_second(other, second)} |"


def start(bench: Bench) -> Iterator[str]:
    """Print time and memory of both images, from `docker run` to the first 200."""
    names = {side.name: _loaded(bench, side) for side in (bench.docker, bench.slipway)}
    seen = [{name: _started(bench, image) for name, image in names.items()} for _ in range(bench.runs)]
    empty = Timing(tuple(seconds(_run(names["docker build"], "true"), bench.folder) for _ in range(bench.runs)))
    yield "| image | `docker run` to the first 200 | resident memory |"
    yield "| --- | --- | --- |"
    for name in names:
        until_200, kilobytes = zip(*(turn[name] for turn in seen), strict=True)
        yield f"| {name} | {Timing(until_200)} | {statistics.median(kilobytes) / 1000:.1f} MB |"
    yield f"| `docker run … true` | {empty} | |"


def checks(bench: Bench) -> Iterator[str]:
    """Print all checks at once beside each alone, each time after an edit."""
    listed = done((*sides.CHECK, "-l"), bench.folder).splitlines()
    names = [line.split()[0] for line in listed if line.startswith("slipway:")]
    assert names
    _checked(bench, [[]])
    turns = [(_checked(bench, [[]]), _checked(bench, [[name] for name in names])) for _ in range(bench.cold)]
    together, apart = (Timing(tuple(column)) for column in zip(*turns, strict=True))
    yield f"| after an edit | dagger check | {', then '.join(f'dagger check {name}' for name in names)} | ratio |"
    yield "| --- | --- | --- | --- |"
    yield f"| one migration, one file of app/ | {together} | {apart} | {together.median / apart.median:.2f} |"


def rehearsal(bench: Bench) -> Iterator[str]:
    """Print a whole rehearsal, after an edit and again."""
    call = (*sides.CALL, "rehearse")
    done(call, bench.folder)
    cold, warm = [], []
    for _ in range(bench.cold):
        sides.edit(bench.folder, sides.APP)
        cold.append(seconds(call, bench.folder))
        warm.append(seconds(call, bench.folder))
    yield "| dagger call rehearse | time |"
    yield "| --- | --- |"
    yield f"| one line of app/ changed | {Timing(tuple(cold))} |"
    yield f"| nothing changed | {Timing(tuple(warm))} |"


def _row(name: str, turns: list[Turn]) -> str:
    docker, floor, slipway, beyond = (
        Timing(tuple(getattr(turn, part) for turn in turns)) for part in ("docker", "floor", "slipway", "beyond")
    )
    return f"| {name} | {docker} | {slipway} | {floor} | {beyond} | {beyond.median / docker.median:.2f} |"


def _turn(bench: Bench) -> Turn:
    commands = (bench.docker.build, sides.FLOOR, bench.slipway.build)
    return Turn(*(seconds(command, bench.folder) for command in commands))


def _edited(bench: Bench) -> Turn:
    sides.edit(bench.folder, sides.APP)
    return _turn(bench)


def _cold(bench: Bench) -> Turn:
    for side in (bench.docker, bench.slipway):
        _forget(bench, side)
    return _turn(bench)


def _forget(bench: Bench, side: Side) -> None:
    for command in (side.forget, *side.prepare):
        done(command, bench.folder)


def _built(bench: Bench, side: Side) -> Path:
    done(side.build, bench.folder)
    return sides.saved(side, bench.folder, bench.scratch)


def _size(image: Archive) -> str:
    return f"{len(image.files)}, {image.size / 1e6:.1f} MB | {image.compressed / 1e6:.1f} MB"


def _changed(before: Archive, after: Archive) -> str:
    new = archive.new_layers(before, after)
    return f"{len(new)} of {len(after.own)}, {sum(layer.compressed for layer in new) / 1e3:.1f} kB"


def _second(one: Archive, other: Archive) -> str:
    return f"{archive.differing(one, other)}, {len(archive.new_layers(one, other))} of {len(other.own)}"


def _loaded(bench: Bench, side: Side) -> str:
    """Load an image into dockerd and return its name there."""
    answer = done(("docker", "load", "--quiet", "--input", str(_built(bench, side))), bench.folder)
    return answer.split("Loaded image")[1].split(": ", 1)[1].strip()


def _run(image: str, *command: str) -> tuple[str, ...]:
    database = "DATABASE_URL=postgresql://nobody@127.0.0.1:1/none"  # never queried: /healthz checks only the process
    return ("docker", "run", "--rm", "--network", "host", "--env", database, image, *command)


def _started(bench: Bench, image: str) -> tuple[float, int]:
    """Return the seconds until the service answers, and its memory then in kilobytes."""
    port = _free_port()
    serve = ("uvicorn", "--factory", "app.main:from_environment", "--host", "127.0.0.1", "--port", str(port))
    docker, run, *rest = _run(image, *serve)
    began = time.perf_counter()
    container = done((docker, run, "--detach", *rest), bench.folder).strip()
    with _removed(bench, container):
        _until_200(f"http://127.0.0.1:{port}/healthz")
        until_200 = time.perf_counter() - began
        status = done(("docker", "exec", container, "cat", "/proc/1/status"), bench.folder)
    return until_200, int(status.split("VmRSS:")[1].split()[0])


@contextmanager
def _removed(bench: Bench, container: str) -> Iterator[None]:
    try:
        yield
    finally:
        done(("docker", "rm", "--force", container), bench.folder)


def _until_200(url: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.URLError:
            time.sleep(0.005)
    raise TimeoutError(url)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _checked(bench: Bench, calls: list[list[str]]) -> float:
    sides.edit(bench.folder, sides.APP, _MIGRATION)
    return sum(seconds((*sides.CHECK, *call), bench.folder) for call in calls)


if __name__ == "__main__":
    main()
