"""The gate beside its peers on the same histories: seconds, ratios, scope and plot."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from histories import write_project
from peers import HISTORY_SQL, OFFLINE_SQL, OURS, PEERS, PROGRAMS, PYTEST_ALEMBIC, SLIPWAY, Peer
from race import Race
from servers import empty_database, server
from timing import done, in_turn, timed

SIZES = (25, 50, 100, 200, 300, 500)


def gate(runs: int, sizes: Sequence[int], plot: Path | None) -> Iterator[str]:
    """Print the gate beside its peers at each size."""
    yield _row("history", *(peer.name for peer in PROGRAMS))
    yield _row(*["---"] * (1 + len(PROGRAMS)))
    races = []
    for revisions in sizes:
        races.append(race(revisions, runs))
        yield _row(f"{revisions} revisions", *map(races[-1].seconds, PROGRAMS))
    yield from _ratios(races)
    yield from _growth(races)
    yield ""
    yield from (f"- **{peer.name}**: {peer.does}" for peer in PROGRAMS)
    if plot:
        from plot import draw  # the only import of matplotlib

        draw(races, plot)


def race(revisions: int, runs: int) -> Race:
    """Run gate and peers in turn on histories of this length."""
    with tempfile.TemporaryDirectory() as home, server() as server_url:
        project = Path(home, "project")
        write_project(project, revisions)
        (project / HISTORY_SQL).write_text(done(OFFLINE_SQL, project))
        runners = [peer for peer in PROGRAMS if revisions <= peer.up_to]
        timings = in_turn(runs, [partial(_seconds, peer, project, server_url) for peer in runners])
    return Race(revisions, dict(zip(runners, timings, strict=True)))


def _seconds(peer: Peer, project: Path, server_url: str) -> float:
    """Return the seconds of a whole process."""
    with empty_database(server_url) if peer.database else nullcontext() as url:
        variables = peer.variables(url)
        return timed(lambda: done(peer.command, project, variables, peer.answers))


def _ratios(races: Sequence[Race]) -> Iterator[str]:
    yield ""
    yield _row(f"as a share of {PYTEST_ALEMBIC.name}", *(ours.name for ours in OURS))
    yield _row(*["---"] * (1 + len(OURS)))
    for each in races:
        yield _row(f"{each.revisions} revisions", *(each.ratio(ours, PYTEST_ALEMBIC) for ours in OURS))
    yield ""
    yield _row(f"{SLIPWAY.name} as a share of", *(peer.name for peer in PEERS))
    yield _row(*["---"] * (1 + len(PEERS)))
    for each in races:
        yield _row(f"{each.revisions} revisions", *(each.ratio(SLIPWAY, peer) for peer in PEERS))


def _growth(races: Sequence[Race]) -> Iterator[str]:
    """Print how the gate's time grows, if both lengths of the aim were run."""
    medians = {each.revisions: each.timings[SLIPWAY].median for each in races}
    if medians.keys() >= {100, 500}:
        yield ""
        yield f"time(500) / time(100) = {medians[500] / medians[100]:.1f}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
