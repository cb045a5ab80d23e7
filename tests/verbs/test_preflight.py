import sys
from pathlib import Path

import pytest

from slipway import settings
from slipway.oci.registry import opened
from slipway.oci.tree import File, TreeConfig, pack
from slipway.release.spec import spec_of
from slipway.simulator.cloud import LOGIN, simulated
from slipway.verbs import preflight as room
from slipway.verbs.preflight import preflight
from slipway.workload.dependencies import Python
from slipway.workload.host import HostBackend

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
SETTINGS = """
[tool.slipway]
name = "tiny"
command = ["python", "server.py"]
health-path = "/ready"

[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/access"
secrets = { TOKEN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:token-abcdef" }
"""


@pytest.fixture
def tried(monkeypatch):
    """Pushes a server and runs the preflight on it, in this environment instead of one made from a lock."""
    monkeypatch.setattr(room, "_PATIENCE_SECONDS", 2.0)
    monkeypatch.setattr("slipway.workload.host.prepare", lambda _tree, _cache: Python(Path(sys.prefix)))

    async def run(code: int = 200, before: str = ""):
        wanted = settings.parse(SETTINGS)
        script = SERVER.format(code=code, before=before).encode()
        files = [
            File("alembic.ini", INI),
            File("migrations/env.py", ENV),
            File("migrations/versions/.keep", b""),
            File("server.py", script),
        ]
        async with simulated(lambda url: HostBackend(url, LOGIN, Path())) as cloud:
            from slipway.release.aws import Aws

            await Aws("eu-west-1", cloud.url).call("ecr", "create_repository", repositoryName="tiny")
            async with opened(cloud.url, "tiny", LOGIN) as registry:
                digest = await registry.push(pack(files, TreeConfig(wanted.command, wanted.port, {}), 0, {}))
            return await preflight(HostBackend(cloud.url, LOGIN, Path()), wanted, spec_of(wanted, "staging", digest))

    return run


@pytest.mark.slow
async def test_a_release_that_becomes_healthy_passes_and_what_was_not_covered_is_said(tried):
    found = await tried()
    assert found.diagnosis is None
    assert any("secrets" in gap for gap in found.not_covered)


@pytest.mark.slow
async def test_a_secret_is_there_with_a_stand_in_for_its_value(tried):
    assert (await tried(before="assert os.environ['TOKEN'] == 'stand-in'")).diagnosis is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "before", "cause"),
    [
        (500, "", "the health check /ready answers 500"),
        (200, "import time; time.sleep(60)", "does not answer the health check on port 8000"),
        (200, "sys.exit(7)", "the container ended by itself with the exit code 7"),
        (200, "os.environ['SIGNING_KEY']", "reads the variable SIGNING_KEY, which staging does not set"),
        (200, "import nothing_like_it", "imports nothing_like_it, which is not installed"),
    ],
    ids=["answers 500", "never listens", "exits", "lacks a variable", "does not import"],
)
async def test_a_release_that_does_not_become_healthy_is_told_why(tried, code, before, cause):
    found = await tried(code, before)
    assert found.diagnosis is not None
    assert cause in found.diagnosis.cause
