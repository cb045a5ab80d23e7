import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from slipway import settings
from slipway.environment import preflight as room
from slipway.environment.preflight import preflight, tried
from slipway.errors import BadInputError
from slipway.oci.artifact import File, TreeConfig, pack
from slipway.oci.registry import opened
from slipway.postgres import binaries
from slipway.records.checks import PreflightResult
from slipway.release.aws.client import Aws
from slipway.release.targets.app_runner.spec import spec_of
from slipway.release.targets.supported import TARGETS
from slipway.settings import TargetKind
from slipway.simulator.cloud import LOGIN, simulated
from slipway.workload.process import HostBackend
from slipway.workload.python import Python
from slipway.workload.workload import HealthCheck, HealthResult
from tests.forked import forking  # noqa: F401 -- a fixture
from tests.release.desired import spec
from tests.simulator.scripted import Script, ScriptedBackend

INI = b"[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"
ENV = b"""
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
SERVER = """
import http.server, os, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({code})
        self.end_headers()
{before}
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""
TOKEN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:token-abcdef"
SETTINGS = f"""
[tool.slipway]
name = "tiny"
command = ["python", "server.py"]
health-path = "/ready"

[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/access"
instance-role = "arn:aws:iam::123456789012:role/instance"
secrets = {{ TOKEN = "{TOKEN}" }}
variables = {{ DATABASE_URL = "postgresql://db.internal/tiny" }}

[tool.slipway.migrations.variables]
SHOP_HOST = "{{host}}"
"""


@pytest.fixture
def tried_here(monkeypatch, forked_gate):
    """Pushes a server and runs the preflight on it, in this environment instead of one made from a lock."""
    interval = 12.0  # five of them are waited for, unless the process ends or answers
    target = replace(
        TARGETS[TargetKind.APP_RUNNER], health=lambda spec: HealthCheck(path=spec.health_path, interval=interval)
    )
    monkeypatch.setattr(room, "target_of", lambda _settings, _environment: target)
    monkeypatch.setattr("slipway.workload.process.prepare", lambda _tree, _cache: Python(Path(sys.prefix)))

    async def run(
        code: int = 200,
        before: str = "",
        env: bytes = ENV,
        *,
        only_start: bool = False,
        text: str = SETTINGS,
        brisk=0.0,
    ):
        nonlocal interval
        interval = brisk or interval
        wanted = settings.parse(text)
        script = SERVER.format(code=code, before=before).encode()
        files = [
            File("alembic.ini", INI),
            File("migrations/env.py", env),
            File("migrations/versions/.keep", b""),
            File("server.py", script),
        ]
        files = files if env else files[-1:]
        async with simulated(
            lambda url: HostBackend(url=url, login=LOGIN, cache=Path()), secrets={TOKEN: "hunter2"}
        ) as cloud:
            for role in ("access", "instance"):
                cloud.iam.put(f"arn:aws:iam::123456789012:role/{role}")
            aws = Aws("eu-west-1", cloud.url)
            for name in ("tiny", "tiny-ledger-staging"):
                await aws.call("ecr", "create_repository", repositoryName=name, imageTagMutability="IMMUTABLE")
            async with opened(cloud.url, "tiny", LOGIN) as registry:
                digest = await registry.push(pack(files, TreeConfig(wanted.command, wanted.port, {}), 0, {}))
            backend = HostBackend(url=cloud.url, login=LOGIN, cache=Path())
            wanted_spec = spec_of(wanted, "staging", digest)
            if only_start:
                return await tried(backend, wanted_spec, {}, target)
            return await preflight(aws, wanted_spec, wanted, backend)

    return run


@pytest.mark.slow
async def test_a_healthy_release_passes_and_uncovered_checks_are_listed(tried_here):
    deployed = "os.environ['TOKEN'] == 'stand-in' and os.environ['PORT'] and 'SHOP_HOST' not in os.environ"
    found = await tried_here(before=f"assert {deployed}")
    assert found.refusals == ()
    seen = {check.subject: check.verdict for branch in found.branches for check in branch.checks}
    assert (seen["release"], seen["migrations"], seen["TOKEN"]) == (PreflightResult.OK,) * 3
    assert {check.subject for check in found.not_covered} == {
        "platform",
        "address",
        "permissions",
        "quotas",
        "size",
        "values",
        "variables",
        "database",
    }
    replaced, lacking = (check.found for check in found.not_covered if check.subject == "variables")
    assert replaced.startswith("the values of DATABASE_URL were replaced by those of the empty database here")
    assert lacking.startswith("only [tool.slipway.migrations] sets SHOP_HOST: the release is deployed")
    assert "db.internal" not in repr(found)
    assert "hunter2" not in repr(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "before", "cause"),
    [
        (500, "", "the health check /ready answers 500"),
        (200, "import time; time.sleep(60)", "the health check failed, and the application had written nothing"),
        (
            200,
            "import atexit, signal, time; signal.signal(15, lambda *_: sys.exit(0)); atexit.register(lambda: print('Uvicorn running on http://127.0.0.1:8000', flush=True)); time.sleep(60)",
            "the health check failed, and the application had written nothing",
        ),
        (200, "sys.exit(7)", "the container ended by itself with the exit code 7"),
        (200, "os.environ['SIGNING_KEY']", "reads the variable SIGNING_KEY, which it does not get"),
        (200, "import nothing_like_it", "imports nothing_like_it, which is not installed"),
        (200, "import socket; socket.create_connection(('localhost', 1))", "Connection refused"),
    ],
    ids=[
        "answers 500",
        "never listens",
        "speaks when it is stopped",
        "exits",
        "lacks a variable",
        "does not import",
        "needs a server",
    ],
)
async def test_a_release_that_does_not_become_healthy_is_diagnosed(tried_here, code, before, cause):
    brisk = 1.0 if code == 500 else 0.4 if "sleep(60)" in before else 0.0  # those that are waited for to the end
    check = await tried_here(code, before, only_start=True, brisk=brisk)
    assert (check.subject, check.verdict) == ("release", PreflightResult.REFUSED)
    assert cause in check.found
    assert check.remedy
    assert ("slipway starts only Postgres" in check.remedy) == ("socket" in before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", ['"localhost" (::1), port 5432 failed', '"127.0.0.1", port 5432 failed', "('127.0.0.1', 5432)"]
)
async def test_a_service_that_connects_to_the_usual_postgres_does_not_read_the_databases_variable(tried_here, place):
    words = "Connect call failed " if place.startswith("(") else "connection to server at "
    tail = "" if place.startswith("(") else ": Connection refused"
    (refusal,) = (await tried_here(before=f"raise OSError({words + place + tail!r})")).refusals
    assert "connected to localhost:5432, and nothing seems to read DATABASE_URL" in refusal.remedy


@pytest.mark.slow
async def test_a_migration_that_fails_is_a_refusal_of_its_own(tried_here):
    (refusal,) = (await tried_here(env=ENV + b"raise ValueError('no such column')\n")).refusals
    assert (refusal.subject, "no such column" in str(refusal)) == ("migrations", True)


@pytest.mark.slow
async def test_a_service_without_a_history_and_a_database_is_started_without_a_migration(tried_here, monkeypatch):
    monkeypatch.setattr(room, "migrate", None)  # its Python has no SQLAlchemy to import
    without = SETTINGS.replace('variables = { DATABASE_URL = "postgresql://db.internal/tiny" }', "")
    found = await tried_here(env=b"", text=without)
    seen = {check.subject: check.verdict for branch in found.branches for check in branch.checks}
    assert (found.refusals, seen["migrations"], seen["release"]) == ((), PreflightResult.OK, PreflightResult.OK)


@pytest.mark.slow
async def test_a_machine_without_postgres_covers_less(tried_here, monkeypatch):
    def absent(_major, _extensions):
        raise BadInputError("there is no PostgreSQL here", "install it")

    monkeypatch.setattr(binaries, "find", absent)
    found = await tried_here()
    assert found.refusals == ()
    assert any("there is no PostgreSQL here" in check.found for check in found.not_covered)


def test_the_local_health_check_is_that_of_the_platform():
    assert TARGETS[TargetKind.APP_RUNNER].health(spec()) == HealthCheck(
        path="/healthz", interval=5, timeout=2, healthy_threshold=1, unhealthy_threshold=5
    )
    assert TARGETS[TargetKind.APP_RUNNER].health(spec(health_path=None)).path is None


async def test_it_must_pass_as_many_consecutive_checks_as_the_platform_requires(monkeypatch):
    answers = iter([True, False, True, True, True, False])
    check = HealthCheck(path="/healthz", interval=0.05, healthy_threshold=3, unhealthy_threshold=100)

    async def ask(_address, _check):
        return HealthResult(next(answers), "")

    monkeypatch.setattr(room, "ask", ask)
    target = replace(TARGETS[TargetKind.APP_RUNNER], health=lambda _spec: check)
    assert (await tried(ScriptedBackend(), spec(), {}, target)).verdict is PreflightResult.OK
    assert list(answers) == [False]


async def test_a_start_slower_than_the_local_limit_is_not_covered(monkeypatch):
    monkeypatch.setattr(room, "_MOST_SECONDS", 0.1)
    backend = ScriptedBackend({spec().image.digest: Script(healthy=False)})
    found = await tried(backend, spec(), {}, TARGETS[TargetKind.APP_RUNNER])
    assert (found.verdict, "the platform waits longer" in found.found) == (PreflightResult.NOT_COVERED, True)
    assert backend.started[0].variables["PORT"] == "8000"


@pytest.mark.parametrize(("status", "pace", "seconds"), [("404", 2.0, 8.0), ("404", 0.5, 3.0), ("500", 0.5, 15.0)])
async def test_a_health_path_that_is_not_there_is_known_after_some_answers_and_named_with_its_key(
    monkeypatch, status, pace, seconds
):
    """Each answer takes `pace` seconds, and the first one may pass; `seconds` lie between the next and the last one."""
    asked = []

    async def ask(address, _check):
        asked.append(address)
        return HealthResult(False, "503" if len(asked) == 1 else status)

    monkeypatch.setattr(room, "ask", ask)
    monkeypatch.setattr(room, "_POLL_SECONDS", 0)
    monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: len(asked) * pace))
    found = await tried(ScriptedBackend(), spec(), {}, TARGETS[TargetKind.APP_RUNNER])
    assert (len(asked) - 2) * pace == seconds
    assert found.found == f"the release does not become healthy: the health check /healthz answers {status}"
    assert "correct health-path in [tool.slipway]" in found.remedy
