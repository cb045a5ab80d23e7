"""The gate and its peers: who they are, what they prove, and the command that each is timed by.

What a peer needs beside itself is not held against it: its server stands ready, and so does its empty database.
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
    """Something that is timed, in the folder of a generated project.

    - does: what it proves and what it does not, in a sentence or two. color: its line in the plot.
    - database: whether DATABASE_URL names an empty database of its own. up_to: the longest history that it is given.
    - answers: the exit codes of a run that did all its work. The histories build indexes as nobody should, so who looks for that says 1.
    """

    name: str
    does: str
    command: tuple[str, ...]
    color: str
    database: bool = True
    up_to: int = 500
    answers: tuple[int, ...] = (0,)

    def variables(self, database_url: str | None) -> dict[str, str]:
        """Its environment, in which pytest loads the one plugin that the peer is."""
        database = {"DATABASE_URL": database_url} if database_url else {}
        return inherited() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | database


def _suite(name: str, plugin: str = "") -> tuple[str, ...]:
    folder = str(SUITES / name)
    plugins = ("-p", "no:cacheprovider", *(("-p", plugin) if plugin else ()))
    return (sys.executable, "-m", "pytest", "-q", *plugins, "-c", os.devnull, "--rootdir", folder, folder)


def _shell(script: str, *arguments: str) -> tuple[str, ...]:
    return ("sh", "-c", script, *arguments)


SLIPWAY = Peer(
    "slipway gate",
    "executes every revision up, down and up again, compares the catalog after each step and with the models, measures the locks of every "
    "statement, and lets rows live through the history. Its own Postgres is started and stopped within the time; it climbs with up to "
    "four processes, one for each processor.",
    (sys.executable, "-m", "slipway.cli", "gate", "--source", ".", "--python", sys.prefix),
    color="#c0392b",
    database=False,
    answers=(0, 1),
)
PYTEST_ALEMBIC = Peer(
    "pytest-alembic",
    "its four tests: one head, all up, all up and down and up one by one, models match by autogenerate. It sees errors; it compares no "
    "catalog after a step, measures no locks, and there are no rows.",
    _suite("pytest_alembic", "pytest_alembic.plugin"),
    color="#2980b9",
)
STAIRWAY = Peer(
    "stairway test",
    "executes every revision up, down and up again by alembic's commands, in an empty database for each revision, as it was published. It "
    "sees errors and nothing else.",
    _suite("stairway"),
    color="#8e6bbf",
    up_to=100,
)
PYTEST_MRT = Peer(
    "pytest-mrt",
    "its six tests: one head, all up, all down and up, every revision up and down with rows in the tables that were there, patterns in the "
    "revisions' text, models match by autogenerate. It compares tables and columns, and measures no locks.",
    _suite("pytest_mrt", "pytest_mrt.plugin"),
    color="#b9770e",
    up_to=50,
)
SQUAWK = Peer(
    "squawk",
    "lints the SQL of the upgrades, which `alembic upgrade head --sql` prints within the time. It executes nothing: what it says "
    "of locks it reads from the text, and downgrades, models, rows and histories that read the database are beyond it.",
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
    "the floor: runs the same SQL once, upwards, in one transaction. It proves that it runs.",
    _shell(
        'exec "$1" -X -q -v ON_ERROR_STOP=1 -f "$2" "$DATABASE_URL"',
        "sh",
        str(binaries.find(None).directory / "psql"),
        HISTORY_SQL,
    ),
    color="#808b8d",
)
PEERS = (PYTEST_ALEMBIC, STAIRWAY, PYTEST_MRT, SQUAWK, PSQL)
EVERYBODY = (SLIPWAY, *PEERS)
