"""The gate and its peers: scope, command and color of each.

A peer's server is running before its time starts, and its empty database exists.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from timing import inherited

from slipway.postgres import binaries

HISTORY_SQL = "history.sql"
OFFLINE_SQL = (sys.executable, "-m", "alembic", "upgrade", "head", "--sql")
SUITES = Path(__file__).parent / "suites"
_COMMANDS = Path(sys.prefix, "bin")


@dataclass(frozen=True)
class Peer:
    """A timed program, in the folder of a generated project.

    - does: its scope and limits, in a sentence or two. color: its line in the plot.
    - database: whether DATABASE_URL names an empty database of its own. up_to: the longest history for it.
    - answers: the exit codes of a complete run. The histories build indexes that block, so a tool that finds that exits with 1.
    """

    name: str
    does: str
    command: tuple[str, ...]
    color: str
    database: bool = True
    up_to: int = 500
    answers: tuple[int, ...] = (0,)

    def variables(self, database_url: str | None) -> dict[str, str]:
        """Return its environment, in which pytest loads only the peer's own plugin."""
        database = {"DATABASE_URL": database_url} if database_url else {}
        return inherited() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | database


def _suite(name: str, plugin: str = "") -> tuple[str, ...]:
    folder = str(SUITES / name)
    plugins = ("-p", "no:cacheprovider", *(("-p", plugin) if plugin else ()))
    return (sys.executable, "-m", "pytest", "-q", *plugins, "-c", os.devnull, "--rootdir", folder, folder)


def _shell(script: str, *arguments: str) -> tuple[str, ...]:
    return ("sh", "-c", script, *arguments)


_GATE = (sys.executable, "-m", "slipway.cli", "gate", "--source", ".", "--python", sys.prefix)
SLIPWAY = Peer(
    "slipway gate --all-revisions",
    "executes every revision up, down and up again, compares the catalog after each step and with the models, measures the locks of every "
    "statement, and follows rows through the history. Its own Postgres starts and stops within the time; it uses up to "
    "four processes, one for each processor.",
    (*_GATE, "--all-revisions"),
    color="#c0392b",
    database=False,
    answers=(0, 1),
)
QUICK = Peer(
    "slipway gate --all-revisions --quick",
    "the first of these layers: every revision up, down and up again, and the catalog after each step and beside the models.",
    (*_GATE, "--all-revisions", "--quick"),
    color="#e59866",
    database=False,
    answers=(0, 1),
)
NEWEST = Peer(
    "slipway gate",
    "all layers for the newest revision, as without a git repository; the state before it is in the cache after the first run.",
    _GATE,
    color="#641e16",
    database=False,
    answers=(0, 1),
)
PYTEST_ALEMBIC = Peer(
    "pytest-alembic",
    "its four tests: one head, all up, all up and down and up one by one, models match by autogenerate. It finds errors; it compares no "
    "catalog after a step, measures no locks, and adds no rows.",
    _suite("pytest_alembic", "pytest_alembic.plugin"),
    color="#2980b9",
)
STAIRWAY = Peer(
    "stairway test",
    "executes every revision up, down and up again by alembic's commands, in an empty database for each revision, as published. It "
    "finds errors only.",
    _suite("stairway"),
    color="#8e6bbf",
    up_to=100,
)
PYTEST_MRT = Peer(
    "pytest-mrt",
    "its six tests: one head, all up, all down and up, every revision up and down with rows in existing tables, patterns in the "
    "revisions' text, models match by autogenerate. It compares tables and columns, and measures no locks.",
    _suite("pytest_mrt", "pytest_mrt.plugin"),
    color="#b9770e",
    up_to=50,
)
SQUAWK = Peer(
    "squawk",
    "lints the SQL of the upgrades, which `alembic upgrade head --sql` prints within the time. It executes nothing: it derives "
    "locks from the text, and does not cover downgrades, models, rows and histories that read the database.",
    _shell(
        '"$1" -m alembic upgrade head --sql > squawk.sql || exit 2; exec "$2" squawk.sql',
        "sh",
        sys.executable,
        str(_COMMANDS / "squawk"),
    ),
    color="#16a085",
    database=False,
    answers=(0, 1),
)
PSQL = Peer(
    "psql",
    "the floor: runs the same SQL once, upwards, in one transaction. It proves that the SQL runs.",
    _shell(
        'exec "$1" -X -q -v ON_ERROR_STOP=1 -f "$2" "$DATABASE_URL"',
        "sh",
        str(binaries.find(None).directory / "psql"),
        HISTORY_SQL,
    ),
    color="#808b8d",
)
PEERS = (PYTEST_ALEMBIC, STAIRWAY, PYTEST_MRT, SQUAWK, PSQL)
OURS = (SLIPWAY, QUICK, NEWEST)
PROGRAMS = (*OURS, *PEERS)
