"""Bytes that each call exchanges with an engine on another machine, printed as Markdown.

    python benchmarks/bytes_sent.py 10.0.0.7:1234

Each call goes through a small counting proxy. A call is a first one only for an engine with an empty cache. The repository
contains a file of `--unnamed` bytes that no setting names. SLIPWAY_ENGINE_ARGUMENTS names the images for a machine that takes
its images from elsewhere.
"""

import argparse
import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sides
from timing import done

_CHUNK = 1 << 16


@dataclass
class Way:
    """Bytes in one direction."""

    count: int = 0

    def __str__(self) -> str:
        return f"{self.count / 1e3:.0f} kB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", help="host:port of the engine's --addr tcp://…")
    parser.add_argument("--unnamed", type=int, default=0, help="bytes of a file that no setting names")
    given = parser.parse_args()
    host, _, port = given.engine.rpartition(":")
    with sides.service(sides.images()) as folder:
        (folder / "unnamed.bin").write_bytes(os.urandom(given.unnamed))
        asyncio.run(_measure(host, int(port), folder))


async def _measure(host: str, port: int, folder: Path) -> None:
    functions = ("dagger", "--progress=plain", "functions", "-m", str(sides.ROOT))
    image = (*sides.CALL, "image")
    gate = (*sides.CALL, "gate", "export", "--path", str(folder / "report"))
    calls: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
        ("`dagger functions`, first", functions, ()),
        ("`dagger functions`, again", functions, ()),
        ("`dagger call image`, first", image, ()),
        ("`dagger call image`, nothing changed", image, ()),
        ("`dagger call image`, one line changed", image, (sides.APP,)),
        ("`dagger call gate export`", gate, ()),
        ("`dagger call migrations`", (*sides.CALL, "migrations"), ()),
    )
    print("| call | sent | received |")
    print("| --- | --- | --- |")
    for name, command, edited in calls:
        sides.edit(folder, *edited)
        sent, received = await _traffic(host, port, command, folder)
        print(f"| {name} | {sent} | {received} |", flush=True)


async def _traffic(host: str, port: int, command: tuple[str, ...], folder: Path) -> tuple[Way, Way]:
    """Run a command with a counting proxy before the engine; return its traffic."""
    sent, received = Way(), Way()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(_carry(reader, engine_writer, sent), _carry(engine_reader, writer, received))

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        here = server.sockets[0].getsockname()[1]
        environment = os.environ | {"_EXPERIMENTAL_DAGGER_RUNNER_HOST": f"tcp://127.0.0.1:{here}"}
        await asyncio.to_thread(done, command, folder, environment)
    return sent, received


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
    """Copy one direction of a connection until its end; a client may close it early."""
    with suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK):
            way.count += len(chunk)
            writer.write(chunk)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    main()
