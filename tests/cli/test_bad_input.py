import socket
import subprocess
import sys
import time

import httpx
import psycopg
import pytest
from botocore.utils import get_environ_proxies

from slipway.cli import reach_this_machine_directly, run
from slipway.errors import BadInputError
from slipway.workload.workload import NO_CERTIFICATES
from tests.forked import forking  # noqa: F401 -- a fixture

pytestmark = pytest.mark.usefixtures("forked_gate")

PYPROJECT = '[project]\nname = "x"\n[tool.slipway]\nname = "notes"\ncommand = ["uvicorn", "app:app"]\n'
INI = "[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n"
ENV = """
from alembic import context
from sqlalchemy import create_engine
import os
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = "from alembic import op\nrevision = {id!r}\ndown_revision = {down!r}\ndef upgrade():\n    {up}\ndef downgrade():\n    {down_body}\n"


@pytest.fixture
def service(tmp_path):
    """A folder with settings and a history of one revision."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "alembic.ini").write_text(INI)
    (tmp_path / "migrations/versions").mkdir(parents=True)
    (tmp_path / "migrations/env.py").write_text(ENV)
    revise(tmp_path, "a", None)
    return tmp_path


def revise(
    folder,
    name,
    down,
    up="op.execute('CREATE TABLE t_' + revision + ' (id int)')",
    down_body="op.execute('DROP TABLE t_' + revision)",
):
    text = REVISION.format(id=name, down=down, up=up, down_body=down_body)
    (folder / f"migrations/versions/{name}.py").write_text(text)


def said(capsys, *arguments):
    """Return the exit code and the one sentence."""
    code = run([*arguments, "--quiet"])
    error = capsys.readouterr().err.strip()
    assert "Traceback" not in error
    assert error.startswith("slipway: ")
    assert len(error.splitlines()) == 1
    return code, error


def gate(capsys, folder, *more):
    return said(capsys, "gate", "--source", str(folder), "--python", sys.prefix, *more)


def test_a_folder_that_is_not_there(capsys, tmp_path):
    code, error = gate(capsys, tmp_path / "nowhere")
    assert (code, "there is no folder" in error, "--source" in error) == (2, True, True)


def test_a_folder_without_a_history_lists_all_obstacles_in_one_run(capsys, tmp_path):
    (tmp_path / "requirements.txt").write_text("pymysql==1\n")
    assert run(["gate", "--source", str(tmp_path), "--python", sys.prefix]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("slipway: found no alembic history")
    assert second.startswith("slipway: the service uses MySQL")


@pytest.mark.slow
def test_variables_that_code_asks_for_one_after_the_other_are_listed_in_one_run_with_stand_ins(capsys, service):
    asking = (
        "import os\nfor name in ('FIRST', 'SECOND'):\n    os.environ[name + '_KEY']\n"
        "if not os.environ.get('THIRD_PASSWORD'):\n    raise RuntimeError('THIRD_PASSWORD is not set')\n"
        "int(os.environ['FOURTH'])\n"
    )
    (service / "migrations/env.py").write_text(asking + ENV)
    assert run(["gate", "--source", str(service), "--python", sys.prefix]) == 2
    first, second = (line for line in capsys.readouterr().err.splitlines() if line.startswith("slipway: "))
    assert "KeyError: 'FIRST_KEY'" in first
    listed, _, added = second.partition("variables = ")
    assert all(name in listed for name in ("FIRST_KEY", "SECOND_KEY", "THIRD_PASSWORD", "FOURTH"))
    with (service / "pyproject.toml").open("a") as settings:
        settings.write(f"[tool.slipway.migrations]\nvariables = {added}\n")
    assert run(["gate", "--source", str(service), "--python", sys.prefix, "--quick"]) in {0, 1}


@pytest.mark.parametrize("command", ["gate", "init --yes"])
@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"alembic.ini": "[alembic]\n"},
            ["alembic.ini has no script_location", "no file declares the service's dependencies", "no server binaries"],
        ),
        (
            {"pyproject.toml": "[tool.slipway.migrations]\nconfig = 'db.ini'\n", "migrations/env.py": ENV},
            ["there is no db.ini in", "no file declares the service's dependencies", "no server binaries"],
        ),
        (
            {"pyproject.toml": f"{PYPROJECT}port = '8'\n", ".venv/bin/python": "", ".venv/lib/python3.9/x": ""},
            ["found '8' (a text)", "has Python 3.9", "found no alembic history", "no server binaries"],
        ),
    ],
    ids=["no settings", "another settings file", "unusable settings"],
)
def test_obstacles_of_files_environment_and_machine_are_listed_in_one_run(
    capsys, tmp_path, monkeypatch, command, files, expected
):
    def finds_none(*_):
        raise BadInputError("there are no server binaries", "install them")

    monkeypatch.setattr("slipway.local.prove.binaries.find", finds_none)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert run([*command.split(), "--source", str(tmp_path)]) in {1, 2}
    output = capsys.readouterr()
    begins = ("slipway: ", "OBSTACLE ", "the gate could not run: ")
    lines = [line for line in (output.out + output.err).splitlines() if line.startswith(begins)]
    assert len(lines) == len(expected)
    assert all(any(each in line for line in lines) for each in expected)


def test_a_folder_within_a_service_is_answered_with_the_folder_of_the_service(capsys, tmp_path):
    for folder in (".git", "shop/app"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "shop/alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    assert run(["gate", "--source", str(tmp_path / "shop/app")]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("slipway: ")]
    assert lines == [
        f"slipway: {tmp_path}/shop/app is no service: the service is in {tmp_path}/shop: pass --source {tmp_path}/shop, or run there"
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("helth-path = '/x'", "did you mean health-path?"),
        ("port = '8000'", "found '8000' (a text), allowed is a whole number"),
        ("smoke-paths = '/x'", "allowed is a list"),
        ("health-path = 'x'", "a path that begins with /"),
        ("[tool.slipway.migrations]\nconfig = 7", "migrations.config: found 7 (a whole number), allowed is a text"),
    ],
)
def test_settings_that_do_not_fit(capsys, service, line, expected):
    (service / "pyproject.toml").write_text(f"{PYPROJECT}{line}\n")
    code, error = gate(capsys, service)
    assert code == 2
    assert error.startswith("slipway: pyproject.toml: [tool.slipway] ")
    assert expected in error


def test_a_pyproject_that_is_not_toml(capsys, service):
    (service / "pyproject.toml").write_text("[[[")
    code, error = gate(capsys, service)
    assert (code, "is not TOML" in error) == (2, True)


def test_a_missing_alembic_ini(capsys, service):
    (service / "alembic.ini").unlink()
    code, error = gate(capsys, service)
    assert (code, "there is no alembic.ini" in error, "[tool.slipway.migrations] config" in error) == (2, True, True)


@pytest.mark.slow
def test_a_syntax_error_in_a_revision_is_reported_by_file_and_line(capsys, service):
    (service / "migrations/versions/b.py").write_text("revision = 'b'\ndown_revision = 'a'\ndef upgrade(:\n")
    code, error = gate(capsys, service)
    assert code == 2
    assert "migrations/versions/b.py line 3 does not load" in error


@pytest.mark.slow
def test_two_heads_are_an_answer_and_not_bad_input(capsys, service):
    revise(service, "b", "a")
    revise(service, "c", "a")
    interpreter = f"{sys.prefix}/bin/python"  # or the folder above, as in the other tests
    assert run(["gate", "--source", str(service), "--python", interpreter]) == 1
    assert "G01" in capsys.readouterr().out


def test_a_folder_that_is_no_virtual_environment(capsys, service):
    code, error = said(capsys, "gate", "--source", str(service), "--python", str(service))
    assert (code, "is no virtual environment" in error) == (2, True)


@pytest.mark.slow
def test_a_server_that_does_not_answer(capsys, service):
    code, error = gate(capsys, service, "--database-url", "postgresql://x:canary-password@127.0.0.1:1/x")
    assert (code, "does not answer" in error, "canary-password" in error) == (2, True, False)


@pytest.mark.slow
def test_a_server_that_looks_like_production_needs_a_flag(capsys, service):
    url = "postgresql://x:canary-password@production.invalid:1/x"
    code, error = gate(capsys, service, "--database-url", url)
    assert (code, "looks like production" in error, "--allow-production-like" in error) == (2, True, True)
    assert "canary-password" not in error
    code, error = gate(capsys, service, "--database-url", url, "--allow-production-like")
    assert (code, "does not answer" in error) == (2, True)


@pytest.mark.slow
def test_a_database_that_is_not_empty(capsys, service, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE customers (id int)")
        code, error = gate(capsys, service, "--database-url", database)
        assert (code, "is not empty" in error, "public.customers" in error) == (2, True, True)
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (0,)


def test_a_database_of_another_kind(capsys, service):
    code, error = gate(capsys, service, "--database-url", "mysql://x:canary-password@h/x")
    assert (code, "names mysql" in error, "canary-password" in error) == (2, True, False)


@pytest.mark.slow
def test_a_report_that_cannot_be_written(capsys, service):
    (service / "report").write_text("a file")
    code, error = gate(capsys, service, "--quick", "--report", str(service / "report"))
    assert (code, "cannot write the report" in error) == (2, True)


def test_a_rehearsal_of_what_is_no_repository(capsys, service):
    code, error = said(capsys, "rehearse", "--source", str(service))
    assert (code, "git" in error) == (2, True)


def test_a_rehearsal_without_a_table_and_without_an_application_to_guess(capsys, service):
    (service / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    commit(service)
    code, error = said(capsys, "rehearse", "--source", str(service))
    assert (code, "no ASGI or WSGI application" in error, 'command = ["…"]' in error) == (2, True, True)


def test_a_rehearsal_with_a_patch_that_is_not_there(capsys, service):
    (service / "pyproject.toml").write_text(f"{PYPROJECT}[tool.slipway.rehearsal]\nrefused = 'nowhere.patch'\n")
    commit(service)
    code, error = said(capsys, "rehearse", "--source", str(service))
    assert (code, "there is no nowhere.patch" in error) == (2, True)


def test_a_patch_that_does_not_apply(capsys, service):
    (service / "pyproject.toml").write_text(f"{PYPROJECT}[tool.slipway.rehearsal]\nrefused = 'bad.patch'\n")
    (service / "bad.patch").write_text(
        "From x Mon Sep 17 00:00:00 2001\nFrom: a <a@b.c>\nSubject: [PATCH] x\n\n---\ndiff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -1 +1 @@\n-a\n+b\n--\n"
    )
    commit(service)
    code, error = said(capsys, "rehearse", "--source", str(service))
    assert (code, "does not apply" in error) == (2, True)


def commit(folder):
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", folder, *arguments], check=True)


def test_a_port_in_use(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, error = said(capsys, "simulator", "--port", str(taken.getsockname()[1]))
    assert (code, "cannot be used" in error, "--port" in error) == (2, True, True)


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--speed", "0"], ["--speed", "nan"], ["--speed", "-1"]])
def test_simulator_options_out_of_range(capsys, arguments):
    assert said(capsys, "simulator", *arguments)[0] == 2


def test_an_environment_that_the_settings_do_not_have(capsys, service):
    code, error = said(capsys, "status", "--source", str(service), "--environment", "staging")
    assert (code, "there is no environment 'staging'" in error) == (2, True)


@pytest.mark.parametrize("image", ["notes:latest", "notes@sha256:1", "@sha256:" + "a" * 64])
def test_an_image_that_is_not_named_by_digest(capsys, service, image):
    environment = '[tool.slipway.environments.staging]\ntarget = "app-runner"\nregion = "eu-west-1"\naccount = "123456789012"\naccess-role = "arn:aws:iam::1:role/x"\n'
    (service / "pyproject.toml").write_text(f"{PYPROJECT}{environment}")
    code, error = said(
        capsys,
        "deploy",
        "--source",
        str(service),
        "--environment",
        "staging",
        "--image",
        image,
        "--endpoint-url",
        "http://127.0.0.1:1",
    )
    assert (code, "by digest" in error) == (2, True)


@pytest.mark.slow
def test_aws_that_cannot_be_reached(capsys, service):
    environment = '[tool.slipway.environments.staging]\ntarget = "app-runner"\nregion = "eu-west-1"\naccount = "123456789012"\naccess-role = "arn:aws:iam::1:role/x"\n'
    (service / "pyproject.toml").write_text(f"{PYPROJECT}{environment}")
    code, error = said(
        capsys, "status", "--source", str(service), "--environment", "staging", "--endpoint-url", "http://127.0.0.1:1"
    )
    assert (code, "cannot be reached" in error) == (3, True)


def test_a_companys_proxy_is_not_asked_for_a_simulator_on_this_machine(monkeypatch):
    variables = {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "ours.example"}
    reach_this_machine_directly(variables)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    reach_this_machine_directly(wildcard := {"HTTP_PROXY": "http://proxy.example:3128", "NO_PROXY": "*"})
    assert wildcard["NO_PROXY"] == "*"
    client = httpx.Client(verify=NO_CERTIFICATES)
    urls = ("http://127.0.0.1:4566", "http://localhost:4566", "http://ours.example", "http://aws.example")
    assert [bool(get_environ_proxies(url)) for url in urls] == [False, False, False, True]
    assert [client._transport_for_url(httpx.URL(url)) is client._transport for url in urls] == [True, True, True, False]


def test_an_argument_that_is_missing_is_one_sentence(capsys):
    code, error = said(capsys, "status")
    assert code == 2
    assert "--environment: `slipway status --help` lists the flags" in error


@pytest.mark.slow
def test_debug_shows_the_traceback_before_the_same_answer(service):
    command = [sys.executable, "-m", "slipway.cli", "gate", "--debug", "--source", str(service / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
    assert (done.returncode, done.stderr.splitlines()[-1].startswith("slipway: ")) == (2, True)


@pytest.mark.slow
def test_a_revision_that_kills_the_process_and_leaves_another_behind_is_one_sentence_soon(capsys, service):
    leaves = "import os, subprocess; subprocess.Popen(['sleep', '600']); os._exit(7)"
    revise(service, "b", "a", up=leaves)
    started = time.monotonic()
    code, error = gate(capsys, service)
    assert (code, "ended with the exit code 7 in revision b (migrations/versions/b.py)" in error) == (1, True)
    assert time.monotonic() - started < 300


def test_timeout_of_zero_seconds(capsys, service):
    (service / "pyproject.toml").write_text(f"{PYPROJECT}[tool.slipway.migrations]\ntimeout = 0\n")
    code, error = gate(capsys, service)
    assert (code, "migrations.timeout: found 0, allowed is 1 or more" in error) == (2, True)
