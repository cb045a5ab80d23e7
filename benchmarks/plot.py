"""A plot of the gate and its peers: seconds against revisions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType
from peers import PROGRAMS, SLIPWAY, Peer
from race import Race

_INK = "#7d7d7d"  # legible on white and on black, because the background is the page's
_LOOK: dict[RcKeyType, Any] = {
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "svg.fonttype": "none",  # keep text as text
    "svg.hashsalt": "slipway",  # equal figures give an equal file
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def draw(races: Sequence[Race], file: Path) -> None:
    """Write the plot as SVG."""
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        _scales(axes, [race.revisions for race in races])
        for peer in PROGRAMS:
            _line(axes, peer, [race for race in races if peer in race.timings])
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


def _scales(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set(xscale="log", yscale="log", xlabel="revisions in the history", ylabel="seconds, process start to exit")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", color=_INK, alpha=0.25, linewidth=0.5)


def _line(axes: Axes, peer: Peer, races: Sequence[Race]) -> None:
    if not races:
        return
    sizes = [race.revisions for race in races]
    medians = [race.timings[peer].median for race in races]
    least = [min(race.timings[peer].seconds) for race in races]
    most = [max(race.timings[peer].seconds) for race in races]
    axes.fill_between(sizes, least, most, color=peer.color, alpha=0.2, linewidth=0)
    axes.plot(sizes, medians, color=peer.color, marker="o", markersize=4, linewidth=3 if peer is SLIPWAY else 1.5)
    axes.annotate(
        peer.name, (sizes[-1], medians[-1]), (8, 0), textcoords="offset points", color=peer.color, va="center"
    )
