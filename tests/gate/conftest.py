"""Small alembic projects, written where a test runs and proven on a real server."""

import ast
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import URL, make_url

from slipway.cli import run as run_command
from slipway.gate import forks
from slipway.gate.prove import prove
from slipway.postgres.server import Server
from slipway.records.form import to_json
from slipway.records.gate import GateQuestion, Role
from slipway.records.proof import Layer, Proof
from tests.forked import answer_in_fork, forking  # noqa: F401 -- a fixture

_INI = "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"

ENV = """\
import sqlalchemy as sa
from alembic import context

metadata = sa.MetaData()
{models}
engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=sa.pool.NullPool{connect})
with engine.connect() as connection:
{env_lines}    context.configure(connection=connection, {options})
    with context.begin_transaction():
        context.run_migrations()
"""

_LIMITS = "-c statement_timeout=30s -c idle_in_transaction_session_timeout=30s"

# The first line of upgrade() is line 10 of the file.
_REVISION = """\
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
depends_on = {depends_on!r}


def upgrade():
{upgrade}


def downgrade():
{downgrade}
"""

# id: (what it follows, body of upgrade, body of downgrade), and after these what it depends on.
Revisions = Mapping[str, tuple]
WriteProject = Callable[..., Path]
Prove = Callable[..., Proof]


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Server:
    """The server of all tests; in a fork of a run, the one of that run."""
    if outer := os.environ.get("SLIPWAY_TESTS_SERVER"):
        return Server(**json.loads(outer))
    server: Server = request.getfixturevalue("postgres")
    return server


@pytest.fixture
def server_url(postgres: Server) -> URL:
    """The superuser's URL of the server, as SQLAlchemy wants it."""
    return make_url(postgres.url).set(drivername="postgresql+psycopg")


@pytest.fixture
def write_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteProject:
    """Writes an alembic project, changes to its folder, and returns its settings file.

    - models: lines of env.py that fill `metadata`; without them env.py names no metadata. options: more arguments of `context.configure`.
    - files: more files by name. lock_timeout: set by env.py when it connects, with the other limits. env_lines: lines of env.py that use the connection first.
    """

    def write(
        revisions: Revisions,
        models: str | None = None,
        env: str = ENV,
        options: str = "",
        ini: str = _INI,
        files: Mapping[str, str] = MappingProxyType({}),
        lock_timeout: str | None = "2s",
        env_lines: str = "",
    ) -> Path:
        versions = tmp_path / "migrations/versions"
        versions.mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        for revision, parts in revisions.items():
            (versions / f"{revision}.py").write_text(revision_file(revision, *parts))
        options += ", target_metadata=metadata" if models is not None else ""
        connect = f', connect_args={{"options": "-c lock_timeout={lock_timeout} {_LIMITS}"}}' if lock_timeout else ""
        filled = (
            env.replace("{connect}", connect)
            .replace("{models}", textwrap.dedent(models or ""))
            .replace("{options}", options.lstrip(", "))
            .replace("{env_lines}", textwrap.indent(env_lines, "    "))
        )
        (tmp_path / "migrations/env.py").write_text(filled)
        (tmp_path / "alembic.ini").write_text(ini)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path / "alembic.ini"

    return write


def revision_file(
    revision: str, down: str | tuple[str, ...] | None, upgrade: str, downgrade: str, depends_on: str | None = None
) -> str:
    return _REVISION.format(
        revision=revision,
        down=down,
        depends_on=depends_on,
        upgrade=_body(upgrade),
        downgrade=_body(downgrade),
    )


def _body(code: str) -> str:
    return textwrap.indent(textwrap.dedent(code).strip() or "pass", "    ")


@pytest.fixture
def prove_in_process(monkeypatch: pytest.MonkeyPatch) -> Prove:
    """Proves as on one processor, because a fork of this large process costs more than it saves; tests of the command fork."""

    def run(asked: GateQuestion, server: URL) -> Proof:
        with monkeypatch.context() as patch:
            patch.setattr(forks, "processors", lambda: 1)
            proof = prove(asked, server)
        for finding in proof.findings:
            if finding.remedy_is_code:  # it can be pasted, but for what only its author knows
                ast.parse(re.sub(r", …(?=[,)])", "", finding.remedy).replace("…", "None"), finding.rule)
        return proof

    return run


@pytest.fixture
def prove_history(
    write_project: WriteProject, server_url: URL, request: pytest.FixtureRequest, prove_in_process: Prove
) -> Prove:
    """Writes an alembic project and proves it in this process, with the layers in the module's LAYERS or all."""
    of_module = getattr(request.module, "LAYERS", tuple(Layer))

    def run(
        revisions: Revisions,
        *,
        start_after: str | None = None,
        extensions: tuple[str, ...] = (),
        samples: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        today: date = date(2026, 7, 1),
        layers: tuple[Layer, ...] = of_module,
        role: Role = Role.RDS_SUPERUSER,
        server: URL | None = None,
        baseline: str = "",
        calls: tuple[str, ...] = (),
        called_by: tuple[str, ...] = (),
        levels: Mapping[str, str] = MappingProxyType({}),
        **project: Any,
    ) -> Proof:
        config = write_project(revisions, **project)
        asked = {
            "levels": dict(levels),
            "extensions": extensions,
            "samples": dict(samples),
            "start_after": start_after,
            "today": str(today),
            "layers": layers,
            "baseline": baseline,
            "calls": calls,
            "called_by": called_by,
        }
        return prove_in_process(question(config, role=role, **asked), server or server_url)

    return run


def question(config: Path, /, **fields: Any) -> GateQuestion:
    """The question about a project, with the timeout that the settings have."""
    return GateQuestion(**{"config": str(config), "timeout": 120, **fields})


def named(url: URL, **variables: str) -> str:
    """The JSON that names a server for the gate."""
    return json.dumps({"url": url.render_as_string(hide_password=False), "variables": variables})


class ForkedGate:
    """The gate in a fork of this process, so that its imports are not repeated; used like a Popen."""

    def __init__(self, folder: Path, proof: str, variables: dict[str, str], stdin: Path) -> None:
        self._printed = [Path(f"{folder}/{proof}.{stream}") for stream in ("stdout", "stderr")]
        self._process = multiprocessing.get_context("fork").Process(
            target=self._answer, args=(folder, proof, variables, stdin)
        )
        self._process.start()
        self.terminate = self._process.terminate

    def _answer(self, folder: Path, proof: str, variables: dict[str, str], stdin: Path) -> None:
        printed = [os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC) for file in self._printed]
        answer_in_fork(folder, [proof], variables, [os.open(stdin, os.O_RDWR), *printed])

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def communicate(self, timeout: float) -> tuple[str, str]:
        self._process.join(timeout)
        assert self.returncode is not None, f"the gate has not ended after {timeout} s"
        output, errors = (file.read_text(encoding="utf-8") for file in self._printed)
        return output, errors


@pytest.fixture
def gate(tmp_path):
    """Starts the gate in the project's folder, in a fork or with `as_command` by its command line; returns the process."""

    def start(database=None, proof="proof.json", layers=(Layer.ALWAYS,), *, as_command=False, **fields):
        environment = {key: value for key, value in os.environ.items() if key != "SLIPWAY_DATABASE"}
        environment |= {"SLIPWAY_DATABASE": "-"} if database else {}
        text = to_json(question(Path("alembic.ini"), layers=layers, **fields), indent=None)
        stdin = tmp_path / f"{proof}.stdin"
        stdin.write_text(text + (f"{database}\n" if database else ""))
        if not as_command:
            return ForkedGate(tmp_path, proof, environment, stdin)
        with stdin.open() as file:
            return subprocess.Popen(
                [sys.executable, "-m", "slipway.gate", proof],
                cwd=tmp_path, env=environment, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip

    return start


@pytest.fixture
def run_gate(gate, tmp_path):
    """Runs the gate to its end; returns its output and the content of its file."""

    def run(**more):
        printed = "".join(gate(**more).communicate(timeout=300))
        return printed, (tmp_path / "proof.json").read_text()

    return run


@pytest.fixture
def check_history(tmp_path, capsys, server):
    """Runs the command on a copy of one of `histories` in a virtual environment; its result must match expected.json."""

    def check(history, python, layers=tuple(Layer)):
        project = shutil.copytree(history, tmp_path / history.name)
        asked = ["--database-url", server, "--layers", ",".join(layer.value for layer in layers)]
        run_command(["gate", "--all-revisions", "--source", str(project), "--python", str(python), *asked, "--json"])
        printed = capsys.readouterr()
        assert printed.out, printed.err
        proof = json.loads(printed.out)
        errors = [finding for finding in proof["findings"] if finding["level"] == "error"]
        assert {
            "verdict": proof["verdict"],
            "errors": sorted([finding["rule"], finding["revision"]] for finding in errors),
            "revisions": sorted(each["id"] for each in proof["revisions"] if "up" in each["fingerprints"]),
        } == json.loads((history / "expected.json").read_text(encoding="utf-8")), errors

    return check
