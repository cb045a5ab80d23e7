"""The functions on a real engine."""

import re
import subprocess
import sys
import time

import httpx
import psycopg
import pytest

from slipway.records.form import from_json
from slipway.records.proof import Proof
from slipway.workload.process import free_port
from tests.engine.conftest import Dagger

GATE = "python -m slipway.gate"
DEPENDENCIES = "uv sync --locked"


def executed(done, command):
    """Return whether an exec ran rather than came from the cache, read from plain progress."""
    said = re.search(
        rf"withExec [^\n]*{re.escape(command)}[^\n]*\n(?:[^\n]*\n)*?[^\n]*withExec (DONE|CACHED)", done.stderr
    )
    assert said, done.stderr
    return said[1] == "DONE"


def test_the_functions_are_listed(dagger):
    done = dagger("functions")
    assert done.returncode == 0, done.stderr
    listed = {line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(("\x1b", " "))}
    assert {"environment", "gate", "image", "migrations", "publish", "rehearse", "smoke"} <= listed


def test_the_checks_are_just_these(dagger):
    done = dagger("check", "-l")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines() if line.startswith("slipway:")} == {
        "slipway:format",  # generators are checks, too
        "slipway:lint",
        "slipway:lock",
        "slipway:migrations",
        "slipway:smoke",
        "slipway:tests",
        "slipway:types",
    }


def test_a_member_of_a_uv_workspace_is_proven_from_its_own_folder(tmp_path):
    write(
        tmp_path,
        {
            "pyproject.toml": '[project]\nname = "root"\nversion = "1"\nrequires-python = ">=3.11"\n[tool.uv.workspace]\nmembers = ["packages/*"]\n',
            "packages/models/pyproject.toml": MODELS,
            "packages/models/src/models/__init__.py": "from sqlalchemy import Column, Integer, MetaData, Table\nMETADATA = MetaData()\nTable('notes', METADATA, Column('id', Integer, primary_key=True))\n",
            "packages/api/pyproject.toml": API,
            "packages/api/alembic.ini": "[alembic]\nscript_location = migrations\n",
            "packages/api/migrations/env.py": ENV,
            "packages/api/migrations/versions/a1.py": "from alembic import op\nimport models\nrevision = 'a1'\ndown_revision = None\ndef upgrade():\n    models.METADATA.create_all(op.get_bind())\ndef downgrade():\n    op.drop_table('notes')\n",
        },
    )
    subprocess.run([sys.executable, "-m", "uv", "lock", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    done = Dagger(tmp_path / "packages/api").call("gate", "proof", "contents")
    assert done.returncode == 0, done.stderr
    proof = from_json(Proof, done.stdout, "the gate")
    assert (proof.verdict_in_words, len(proof.revisions), proof.folder) == ("passed", 1, "packages/api")


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


MODELS = """
[project]
name = "models"
version = "1"
requires-python = ">=3.11"
[build-system]
requires = ["uv_build>=0.8"]
build-backend = "uv_build"
"""
API = """
[project]
name = "api"
version = "1"
requires-python = ">=3.11"
dependencies = ["alembic>=1.16", "sqlalchemy>=2", "psycopg[binary]>=3", "models"]
[tool.uv.sources]
models = { workspace = true }
[tool.slipway]
name = "api"
command = ["api"]
"""
ENV = """
import os
import models
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")).connect() as connection:
    context.configure(connection=connection, target_metadata=models.METADATA)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_a_revision_is_generated_and_written_with_the_safe_form_of_what_the_gate_refuses(elsewhere):
    models = elsewhere.folder / "app/models.py"
    models.write_text(f"{models.read_text()}    content: Mapped[str | None] = mapped_column(Text, index=True)\n")
    done = elsewhere.call("revision", "--message=Add content", apply=True)
    assert done.returncode == 0, done.stderr
    assert "refused: 1 error; 6 revisions" in done.stderr
    (revision,) = (elsewhere.folder / "migrations/versions").glob("*add_content.py")
    written = revision.read_text().replace('"', "'")
    assert "op.add_column('notes', sa.Column('content'" in written
    assert written.index("# L01: ") < written.index("op.create_index(")


REFUSED = """
from alembic import op

revision = "1f0c9a7be2d4"
down_revision = "e7318ac4d059"


def upgrade():
    op.create_index("ix_notes_title", "notes", ["title"])


def downgrade():
    op.drop_index("ix_notes_title", "notes")
"""


def test_only_what_concerns_the_gate_runs_it_again_and_a_refusal_is_printed_once(elsewhere):
    proven = elsewhere.call("gate", "proof", "contents")
    assert proven.returncode == 0, proven.stderr
    readme = elsewhere.folder / "README.md"
    readme.write_text(readme.read_text() + "more\n")
    again = elsewhere.call("gate", "proof", "contents")
    assert not executed(again, GATE)
    assert again.stdout == proven.stdout
    (elsewhere.folder / "migrations/versions/1f0c9a7be2d4_index_notes_by_title.py").write_text(
        f"{REFUSED}# {elsewhere.folder}\n"
    )
    refused = elsewhere.call("gate")
    assert (refused.returncode, executed(refused, GATE), executed(refused, DEPENDENCIES)) == (1, True, False)
    assert refused.stderr.count("Building the index blocks every write") == 1
    assert "Traceback" not in refused.stderr
    exported = elsewhere.call("gate", "report", "-o", str(elsewhere.folder / "report"))
    assert exported.returncode == 0, exported.stderr
    assert re.search(r"✘ refused: 2 errors.*FAIL", exported.stderr)
    assert (elsewhere.folder / "report/index.html").exists()


def test_a_column_that_the_previous_release_still_uses_is_found(dagger, elsewhere):
    models = elsewhere.folder / "app/models.py"
    models.write_text(f"{models.read_text()}    content: Mapped[str | None] = mapped_column(Text)\n")
    asked = ("gate", "--since=c95e0f7a61bd", f"--previous={elsewhere.folder}")
    done = dagger.call(*asked, "proof", "contents")
    assert done.returncode == 0, done.stderr
    proof = from_json(Proof, done.stdout, "the gate")
    assert proof.coverage.previous == "the previous release"
    assert [(finding.rule, finding.revision) for finding in proof.failures] == [("C01", "e7318ac4d059")]


HEAD = """
import os
import psycopg

def test_the_database_is_at_the_head():
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        assert database.execute("SELECT * FROM alembic_version").fetchone() == ("e7318ac4d059",)
"""


def test_all_checks_are_green_on_the_files_of_git_and_a_migrated_database_and_each_test_is_in_the_trace(elsewhere):
    declare(
        elsewhere,
        r"lint = .*",
        'lint = ["ruff", "check", "--isolated", "--no-respect-gitignore", "--select=F401", "."]',
    )
    declare(elsewhere, r"tests = .*\nsources = .*", 'tests = ["pytest", "own/head.py"]\nsources = ["own"]')
    (elsewhere.folder / "own").mkdir()
    (elsewhere.folder / "own/head.py").write_text(HEAD)
    (elsewhere.folder / ".gitignore").write_text("ignored.py\n.env\n")
    (elsewhere.folder / "own/ignored.py").write_text("import os\n")
    done = elsewhere.check()
    assert done.returncode == 0, done.stderr
    assert re.search(r"✔ own\.head +1 passed", done.stderr)


def test_a_health_path_that_is_wrong_is_named_with_its_key(elsewhere):
    declare(elsewhere, r"health-path = .*", 'health-path = "/health"')
    done = elsewhere.call("smoke")
    assert done.returncode == 1
    assert "the health check /health answers 404: make it answer 200, or correct health-path in" in done.stderr


def declare(service, pattern, text):
    """Replace a setting of the service."""
    file = service.folder / "pyproject.toml"
    changed, times = re.subn(pattern, lambda _: text, file.read_text(), count=1)
    assert times == 1
    file.write_text(changed)


def test_a_folder_without_settings_fails_with_one_sentence(elsewhere):
    (elsewhere.folder / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "0"\n')
    done = elsewhere.call("image", "user")
    assert done.returncode == 1
    assert re.search(r"^Error: \w+: pyproject\.toml has no \[tool\.slipway\]: add the table", done.stderr, re.MULTILINE)


def test_the_service_runs_on_its_port_beside_a_database_that_was_migrated(dagger):
    port = free_port()
    with dagger.started("service", "up", f"--ports={port}:8000") as process:
        answer = asked(f"http://127.0.0.1:{port}/readyz", process)
        assert answer["database_head"] == answer["image_head"]
        made = httpx.post(f"http://127.0.0.1:{port}/notes", json={"title": "a", "body": "b"})
        assert made.status_code == 201


def test_the_published_postgres_asks_for_its_password(dagger):
    port, said = free_port(), ""
    with dagger.started("database", "up", f"--ports={port}:15432") as process:
        while process.poll() is None and "password" not in said:
            with pytest.raises(psycopg.OperationalError) as refused:
                psycopg.connect(f"postgresql://postgres:guess@127.0.0.1:{port}/postgres")
            said = str(refused.value)
            time.sleep(0.2)
    assert "password authentication failed" in said


def asked(url, process):
    """Return the first answer; fail if the process ends before."""
    while process.poll() is None:
        try:
            return httpx.get(url).json()
        except (httpx.HTTPError, ValueError):
            time.sleep(0.2)
    pytest.fail("the call ended")
