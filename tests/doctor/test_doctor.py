"""Doctor checks a machine; each check is one line with a remedy."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from slipway.doctor import check, machine
from slipway.doctor.check import DoctorOptions
from slipway.doctor.checkup import CHECKS, check_up
from slipway.errors import RefusedError
from slipway.postgres import binaries, datadir
from slipway.records.checks import DoctorCheck, DoctorReport, DoctorResult
from slipway.records.form import to_json
from slipway.report.answers import machine as answers
from slipway.report.checks import of_checkup
from slipway.simulator.cloud import simulated
from slipway.simulator.serving import serving

CANARY = "canary-7f3a"
RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
PYPROJECT = '[tool.slipway]\nname = "notes"\ncommand = ["serve"]\n'
STAGING = """
[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "arn:aws:iam::123456789012:role/x"
"""
DAGGER = """
case "$*" in
    version) echo "dagger {cli} (image://registry.dagger.io/engine:{cli}) linux/amd64" ;;
    "--silent core version") : > "${{XDG_STATE_HOME:-$HOME}}/client" && printf {engine} ;; # the CLI writes a file, too
    *) exit 64 ;;
esac
"""


def simulated_account():
    """A simulated account without a backend."""
    return simulated(lambda _url: None)


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A complete, committed service that requires Dagger v0.21.8."""
    folder = tmp_path_factory.mktemp("service")
    for name, content in {
        "pyproject.toml": PYPROJECT,
        "uv.lock": "",
        "alembic.ini": "",
        "dagger.json": '{"engineVersion": "v0.21.8"}',
    }.items():
        (folder / name).write_text(content)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "--message", "a"]):
        subprocess.run(["git", "-C", folder, *arguments], check=True)
    return folder


@pytest.fixture
def service(committed, tmp_path):
    """A copy of it."""
    return shutil.copytree(committed, tmp_path / "service")


class Programs:
    """The programs on PATH: git, and those that a test adds."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "git").symlink_to(shutil.which("git"))

    def add(self, name, script):
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def add_dagger(self, cli="v0.21.8", engine="v0.21.8"):
        self.add("dagger", DAGGER.format(cli=cli, engine=engine))


@pytest.fixture(autouse=True)
def programs(tmp_path, monkeypatch):
    """A machine with git only, without credentials."""
    made = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(made.folder))
    for name in list(os.environ):
        if name.startswith(("AWS_", "DOCKER_")) or name == RUNNER_HOST:
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return made


async def look(subject, folder, **asked):
    """Run one check; return its answer and the rest of its line."""
    checkup = await check_up(DoctorOptions(folder, **asked), {subject: CHECKS[subject]})
    line, _ = of_checkup(checkup).splitlines()
    mark, found, rest = line.split(maxsplit=2)
    assert found == subject
    answer = checkup.checks[0].result.value
    assert mark == answer or (mark == "OPT" and answer == "NG")
    rest = re.sub(r" \(optional: needed for [\w ]+ only\)$", "", rest)
    if answer != "OK":
        assert checkup.checks[0].remedy
    return answer, rest


def write(folder, **files):
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)


async def answering(status):
    return Starlette(routes=[Route("/{path:path}", lambda _: PlainTextResponse("", status), methods=["GET", "POST"])])


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def engine_socket(monkeypatch):
    """A listener at the runner host."""
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as listener:
        path = f"{short}/engine.sock"  # it may have 107 characters, 103 on macOS
        listener.bind(path)
        listener.listen()
        monkeypatch.setenv(RUNNER_HOST, f"unix://{path}")
        yield


async def test_a_machine_that_has_everything_is_ok_in_every_line(service, programs, postgres, engine_socket):
    programs.add_dagger()
    programs.add("docker", "echo 28.2.2")
    async with serving(await answering(401)) as hub, simulated_account() as account:
        mirrored = "".join(f'{name} = "{hub}/{name}:1"\n' for name in ("python", "uv", "postgres", "registry"))
        write(service, pyproject_toml=f"{PYPROJECT}[tool.slipway.images]\n{mirrored}")
        checkup = await check_up(DoctorOptions(service, postgres.url, account.url))
    assert {line.partition(" ")[0] for line in of_checkup(checkup).splitlines()} == {"OK", "15"}
    assert checkup.healthy
    found = {check.subject: check.found for check in checkup.checks}
    assert list(found) == list(CHECKS)
    assert found["engine"].startswith("v0.21.8 at unix://")
    assert found["database"] == f"PostgreSQL {postgres.version}"
    assert found["registry"] == f"{hub} answers"
    assert found["credentials"].startswith("arn:aws:iam::123456789012:")


async def test_a_checkup_changes_nothing(service, programs, engine_socket, monkeypatch, tmp_path):
    programs.add_dagger()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = sorted(tmp_path.rglob("*"))
    checkup = await check_up(DoctorOptions(service, offline=True))
    assert sorted(tmp_path.rglob("*")) == before
    assert checkup.healthy


async def test_no_git(service, programs):
    (programs.folder / "git").unlink()
    assert await look("git", service) == ("NG", "there is no git on this machine; install git")


async def test_a_folder_that_is_no_repository(tmp_path):
    answer, line = await look("git", tmp_path)
    assert (answer, "not a git repository" in line, "git init" in line) == ("NG", True, True)


async def test_a_program_made_for_another_machine(service, programs):
    (programs.folder / "uv").write_bytes(b"\x7fELF nonsense")
    (programs.folder / "uv").chmod(0o755)
    answer, line = await look("uv", service)
    assert (answer, "uv cannot be run: Exec format error" in line) == ("NG", True)


async def test_a_program_that_fails_is_quoted(service, programs):
    programs.add("uv", "echo error: it >&2; echo is broken >&2; exit 3")
    assert await look("uv", service) == ("NG", "uv failed: error: it is broken; install uv again")


async def test_a_program_that_fails_silently(service, programs):
    programs.add("uv", "exit 3")
    assert await look("uv", service) == ("NG", "uv failed: exit code 3; install uv again")


async def test_a_program_that_hangs(service, programs, monkeypatch):
    monkeypatch.setattr(check, "PROGRAM_SECONDS", 0.2)
    programs.add("uv", f"exec {sys.executable} -c 'import time; time.sleep(60)'")
    answer, line = await look("uv", service)
    assert (answer, "no answer within " in line) == ("NG", True)


@pytest.mark.parametrize(
    ("room", "limit", "variable"),
    [(machine, "_ENVIRONMENT_BYTES", "XDG_CACHE_HOME"), (datadir, "NEEDED_BYTES", "TMPDIR")],
)
async def test_a_full_disk(service, monkeypatch, room, limit, variable):
    monkeypatch.setattr(room, limit, 2**70)
    answer, line = await look("disk", service)
    assert (answer, "MB free, and a run needs" in line, f"or set {variable}" in line) == ("NG", True, True)


async def test_a_cache_that_cannot_be_written(service, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(service / "uv.lock"))
    answer, line = await look("disk", service)
    assert (answer, "cannot be written; set XDG_CACHE_HOME" in line) == ("NG", True)


async def test_no_postgres_at_all(service, monkeypatch):
    monkeypatch.setattr(binaries, "_INSTALLATIONS", ())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer, line = await look("postgres", service)
    assert (answer, "there are no server binaries" in line, "--database-url" in line) == ("NG", True, True)


async def test_a_postgres_of_another_major_than_the_settings_want(service):
    write(service, pyproject_toml=f'{PYPROJECT}[tool.slipway.migrations]\npostgres = "9"\n')
    answer, line = await look("postgres", service)
    assert (answer, ", for 9, which the settings name: this machine has no such server" in line) == ("OK", True)


async def test_doctor_looks_for_the_postgres_that_the_gate_would_use(service):
    (service / "compose.yml").write_text("image: postgres:15\n")
    assert ", for 18, which is the default" in (await look("postgres", service))[1]
    (service / "pyproject.toml").unlink()
    assert ", for 15, which compose.yml line 1 has" in (await look("postgres", service))[1]
    (service / "compose.yml").unlink()
    assert ", for 18, which is the default, because no file names one" in (await look("postgres", service))[1]


async def test_settings_that_do_not_fit_are_reported_in_their_own_words(service):
    write(service, pyproject_toml=f"{PYPROJECT}helth-path = '/x'\n")
    answer, line = await look("settings", service)
    assert (answer, "did you mean health-path?" in line) == ("NG", True)


async def test_the_gate_needs_no_table(service):
    write(service, pyproject_toml="[project]\nname = 'x'\n")
    answer, line = await look("settings", service)
    assert (answer, "has no [tool.slipway]" in line, "`slipway gate` works without" in line) == ("SKIP", True, True)


async def test_the_python_of_the_service_is_missing(service):
    (service / ".python-version").write_text("3.99\n")
    answer, line = await look("interpreter", service)
    assert (answer, "the service's Python 3.99 is not on this machine" in line) == ("NG", True)


async def test_no_lock(service):
    (service / "uv.lock").unlink()
    answer, line = await look("lock", service)
    assert (answer, "commit uv.lock" in line) == ("NG", True)


async def test_alembics_settings_are_looked_for_where_ours_say(service):
    write(service, pyproject_toml=f'{PYPROJECT}[tool.slipway.migrations]\nconfig = "other.ini"\n')
    (service / "alembic.ini").write_text("[alembic]\nscript_location = db\n")
    (service / "db").mkdir()
    (service / "db/env.py").write_text("from alembic import context\n")
    answer, line = await look("alembic", service)
    assert (answer, "there is no other.ini" in line, "[tool.slipway.migrations]" in line) == ("NG", True, True)


async def test_a_machine_without_containers_lacks_nothing_for_the_gate(service):
    for subject in ("dagger", "engine", "docker"):
        answer, line = await look(subject, service)
        assert (answer, "`slipway gate` and `slipway rehearse` work without" in line) == ("SKIP", True)


@pytest.mark.parametrize(
    ("cli", "answer", "told"),
    [
        ("v0.21.8", "OK", "v0.21.8"),
        ("v0.21.10", "OK", "v0.21.10, newer than the v0.21.8 of dagger.json"),
        ("v0.9.11", "NG", "v0.9.11 is older than the v0.21.8 of dagger.json; install that version of the CLI"),
        ("nonsense", "NG", "its version is nonsense; install that version of the CLI"),
    ],
)
async def test_the_cli_is_held_against_dagger_json(service, programs, cli, answer, told):
    programs.add_dagger(cli=cli)
    assert await look("dagger", service) == (answer, told)


async def test_dagger_json_is_found_above_the_service(service, programs):
    programs.add_dagger(cli="v0.9.11")
    (service / "inner").mkdir()
    assert (await look("dagger", service / "inner"))[0] == "NG"


@pytest.mark.parametrize("content", ["[]", "{}", '{"engineVersion": 21}', '{"engineVersion": "latest"}'])
async def test_a_dagger_json_that_wants_no_version_is_content_with_any(service, programs, content):
    programs.add_dagger(cli="v0.9.11")
    write(service, dagger_json=content)
    assert (await look("dagger", service))[0] == "OK"


async def test_a_dagger_json_that_is_not_json(service, programs):
    programs.add_dagger()
    write(service, dagger_json="{")
    answer, line = await look("dagger", service)
    assert (answer, "dagger.json is not JSON" in line) == ("NG", True)


async def test_an_engine_older_than_the_module_wants(service, programs, engine_socket):
    programs.add_dagger(engine="v0.20.0")
    answer, line = await look("engine", service)
    assert (answer, "v0.20.0 is older" in line, "start an engine of that version" in line) == ("NG", True, True)


async def test_an_engine_without_the_cli_is_something_that_listens(service, engine_socket):
    answer, line = await look("engine", service)
    assert (answer, line.startswith("something listens at unix://")) == ("OK", True)


@pytest.mark.parametrize("host", ["unix:///nowhere.sock", "tcp://127.0.0.1:{port}", "tcp://127.0.0.1:x", "tcp://"])
async def test_an_engine_that_is_not_there(service, programs, monkeypatch, host):
    programs.add_dagger()
    monkeypatch.setenv(RUNNER_HOST, host.format(port=closed_port()))
    answer, line = await look("engine", service)
    assert (answer, "does not answer" in line, f"correct {RUNNER_HOST}" in line) == ("NG", True, True)


@pytest.mark.parametrize(
    "host", ["image://registry.dagger.io/engine:v0.21.8", "docker-container://x", "dagger-cloud://"]
)
async def test_an_engine_that_asking_might_start_is_not_asked(service, programs, monkeypatch, host):
    programs.add("dagger", "echo asked > asked; exit 1")
    monkeypatch.setenv(RUNNER_HOST, host)
    answer, line = await look("engine", service)
    assert (answer, "dagger core version" in line) == ("SKIP", True)


async def test_docker_runs_the_engine_when_nothing_else_is_named(service, programs):
    programs.add_dagger()
    programs.add("docker", 'test "$1" = version')
    answer, line = await look("engine", service)
    assert (answer, "docker is installed" in line) == ("OK", True)


async def test_a_cli_without_anything_that_runs_its_engine(service, programs):
    programs.add_dagger()
    programs.add("docker", "exit 1")
    answer, line = await look("engine", service)
    assert (answer, f"start Docker, or name an engine in {RUNNER_HOST}" in line) == ("NG", True)


DEAD_DOCKER = "echo; echo 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit 1"


async def test_docker_without_its_daemon(service, programs):
    programs.add("docker", DEAD_DOCKER)
    assert await look("docker", service) == (
        "NG",
        "docker failed: Cannot connect to the Docker daemon at unix:///x.; start Docker",
    )


async def test_what_only_images_need_is_marked_and_the_gate_lacks_nothing(service, programs):
    programs.add("docker", DEAD_DOCKER)
    checkup = await check_up(DoctorOptions(service), {"docker": CHECKS["docker"]})
    line, total = of_checkup(checkup).splitlines()
    assert line.endswith("; start Docker (optional: needed for images only)")
    assert total == "0 OK, 0 NG, 1 OPT, 0 SKIP; `slipway gate` lacks nothing"
    assert answers.of_checkup(checkup).code == 0
    shutil.rmtree(service / ".git")
    checkup = await check_up(DoctorOptions(service), {"git": CHECKS["git"]})
    *_, total = of_checkup(checkup).splitlines()
    assert answers.of_checkup(checkup).code == 1
    assert total == "0 OK, 1 NG, 0 SKIP"


async def test_docker_need_not_run_when_the_engine_is_elsewhere(service, programs, engine_socket):
    programs.add("docker", DEAD_DOCKER)
    answer, line = await look("docker", service)
    assert (answer, "names an engine elsewhere" in line) == ("SKIP", True)


def mirrored(service, host):
    images = "".join(f'{name} = "{host}/{name}:1"\n' for name in ("python", "uv", "postgres", "registry"))
    write(service, pyproject_toml=f"{PYPROJECT}[tool.slipway.images]\n{images}")


@pytest.mark.parametrize(("status", "answer"), [(200, "OK"), (401, "OK"), (403, "NG"), (503, "NG"), (302, "NG")])
async def test_a_registry_is_there_when_it_answers_as_one(service, status, answer):
    async with serving(await answering(status)) as hub:
        mirrored(service, hub)
        found, line = await look("registry", service)
    assert (found, hub in line) == (answer, True)


async def test_a_registry_that_is_not_there(service):
    mirrored(service, f"127.0.0.1:{closed_port()}")
    answer, line = await look("registry", service)
    assert (answer, "does not answer (ConnectError)" in line, "[tool.slipway.images]" in line) == ("NG", True, True)


async def test_a_registry_that_is_no_host(service):
    mirrored(service, "exa\\nmple:port")
    answer, line = await look("registry", service)
    assert (answer, "does not answer (InvalidURL)" in line) == ("NG", True)


async def test_offline_registries_and_aws_are_skipped(service, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    for subject in ("registry", "credentials"):
        assert await look(subject, service, offline=True) == ("SKIP", "skipped; run doctor again without --offline")


@pytest.fixture
def signed_in(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", CANARY)
    monkeypatch.setenv("SLIPWAY_TRUSTED_ENDPOINTS", "127.0.0.1")


async def test_no_credentials_are_no_fault(service):
    answer, line = await look("credentials", service)
    assert (answer, "there are no AWS credentials; sign in" in line) == ("SKIP", True)


async def test_credentials_that_boto3_finds_are_tried_and_named_by_arn(service, signed_in, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    async with simulated_account() as account:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", account.url)
        assert await look("credentials", service) == ("OK", "arn:aws:iam::123456789012:user/simulated")


async def test_no_request_is_signed_for_a_host_that_is_neither_of_aws_nor_trusted(service, signed_in, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://localstack:4566")
    answer, line = await look("credentials", service)
    assert (answer, "signed with your keys would go to localstack, by" in line) == ("NG", True)


async def test_credentials_of_an_account_that_no_environment_has(service, signed_in, monkeypatch):
    write(service, pyproject_toml=PYPROJECT + STAGING.replace("123456789012", "210987654321"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    async with simulated_account() as account:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", account.url)
        answer, line = await look("credentials", service)
    assert (answer, "none of the environments" in line, "choose credentials of 210987654321" in line) == (
        "NG",
        True,
        True,
    )


async def test_credentials_of_an_environments_account(service, signed_in, monkeypatch):
    write(service, pyproject_toml=PYPROJECT + STAGING)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simulated")
    async with simulated_account() as account:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", account.url)
        assert (await look("credentials", service))[0] == "OK"


class Sts:
    """An STS with scripted answers that records its requests."""

    def __init__(self, status, body):
        self.status, self.body, self.heard = status, body, ""
        self.app = Starlette(routes=[Route("/", self.answer, methods=["POST"])])

    async def answer(self, request):
        self.heard += f"{request.headers}{await request.body()!r}"
        return PlainTextResponse(self.body, self.status, media_type="text/xml")


REFUSAL = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>You signed {}</Message></Error></ErrorResponse>"


async def test_a_refusal_of_aws_is_reported_by_its_code_alone(service, signed_in):
    sts = Sts(403, REFUSAL.format(CANARY))
    async with serving(sts.app) as address:
        answer, line = await look("credentials", service, endpoint_url=f"http://{address}")
    assert (answer, "ExpiredToken" in line, "sign in again" in line, CANARY in line) == ("NG", True, True, False)


async def test_a_stand_in_for_aws_never_sees_real_keys(service, signed_in):
    sts = Sts(403, REFUSAL)
    async with serving(sts.app) as address:
        await look("credentials", service, endpoint_url=f"http://{address}")
    assert "Credential=simulated/" in sts.heard
    assert "AKIATEST" not in sts.heard
    assert CANARY not in sts.heard


@pytest.mark.parametrize("body", ["<html>a proxy's page</html>", "<<<", ""])
async def test_an_answer_that_is_not_from_aws(service, body):
    async with serving(Sts(200, body).app) as address:
        answer, line = await look("credentials", service, endpoint_url=f"http://{address}")
    assert (answer, "AWS cannot be reached" in line) == ("NG", True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "nonsense", "http://user:canary-7f3a@127.0.0.1:{port}"])
async def test_aws_that_cannot_be_reached(service, url):
    answer, line = await look("credentials", service, endpoint_url=url.format(port=closed_port()))
    assert (answer, "AWS cannot be reached" in line, CANARY in line) == ("NG", True, False)


async def test_a_profile_that_is_not_there(service, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    answer, line = await look("credentials", service)
    assert (answer, "ProfileNotFound" in line) == ("NG", True)


async def test_a_wrong_password(service, postgres):
    at = postgres.url.rpartition("@")[2]
    answer, line = await look("database", service, database_url=f"postgresql+asyncpg://postgres:{CANARY}@{at}")
    assert (answer, "password authentication failed" in line, CANARY in line) == ("NG", True, False)


async def test_a_password_may_be_a_query_parameter(service, postgres):
    user, _, at = postgres.url.rpartition("@")
    password = user.rpartition(":")[2]
    answer, line = await look("database", service, database_url=f"postgresql://postgres@{at}?password={password}")
    assert (answer, line) == ("OK", f"PostgreSQL {postgres.version}")


async def test_a_socket_may_be_a_query_parameter(service, tmp_path):
    answer, line = await look("database", service, database_url=f"postgresql:///x?host={tmp_path}")
    assert (answer, f"{tmp_path}/.s.PGSQL" in line) == ("NG", True)


async def test_a_password_is_no_argument_of_a_program(service, programs):
    programs.add("psql", f'echo "$*" > {service}/arguments; echo "$PGPASSWORD" > {service}/password')
    await look("database", service, database_url=f"postgresql://u:{CANARY}@h/x")
    assert (service / "password").read_text().strip() == CANARY
    arguments = (service / "arguments").read_text()
    assert (CANARY in arguments, arguments.split()[-1]) == (False, "postgresql://u@h/x")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p/canary-7f3a@h/x",
        "postgresql://u:1/canary-7f3a@h/x",
        "postgresql://u:1?canary-7f3a@h/x",
        "postgresql://u:1#canary-7f3a@h/x",
        "postgresql://u@h:canary-7f3a/x",
        "mysql://u:canary-7f3a@h/x",
        "canary-7f3a",
        "",
    ],
)
async def test_a_url_that_cannot_be_taken_apart_is_not_repeated(service, url):
    answer, line = await look("database", service, database_url=url)
    assert (answer, "the database's URL cannot be read" in line, CANARY in line) == ("NG", True, False)


async def test_a_server_that_does_not_answer(service):
    url = f"postgresql://u:{CANARY}@127.0.0.1:{closed_port()}/x"
    answer, line = await look("database", service, database_url=url)
    assert (answer, "Connection refused" in line, CANARY in line) == ("NG", True, False)


async def test_no_psql_to_ask_with(service, monkeypatch):
    monkeypatch.setattr(binaries, "_INSTALLATIONS", ())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer, line = await look("database", service, database_url="postgresql://u@h/x")
    assert (answer, "install postgresql-client" in line) == ("SKIP", True)


async def test_a_server_without_a_psql_beside_it(service, programs, monkeypatch):
    programs.add("initdb", "")
    programs.add("postgres", "echo 'postgres (PostgreSQL) 18.1'")
    monkeypatch.setattr(binaries, "_INSTALLATIONS", ())
    answer, line = await look("database", service, database_url="postgresql://u@h/x")
    assert (answer, "install postgresql-client" in line) == ("SKIP", True)


async def test_no_secret_is_shown_whatever_goes_wrong(service, programs, signed_in, engine_socket, monkeypatch):
    programs.add_dagger(cli="v0.1.0", engine="v0.1.0")
    programs.add("docker", DEAD_DOCKER)
    monkeypatch.setenv("PGPASSWORD", CANARY)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://user:{CANARY}@127.0.0.1:{closed_port()}")
    asked = DoctorOptions(service, f"postgresql://u:{CANARY}@127.0.0.1:{closed_port()}/x")
    mirrored(service, f"127.0.0.1:{closed_port()}")
    checkup = await check_up(asked)
    assert not checkup.healthy
    assert CANARY not in of_checkup(checkup) + to_json(checkup) + repr(checkup) + repr(asked)


async def test_checks_run_concurrently_and_one_that_hangs_is_not_waited_for(service):
    both, over = threading.Barrier(2, timeout=60), threading.Event()
    checkup = await check_up(DoctorOptions(service), dict.fromkeys(("one", "other"), lambda _: f"here {both.wait()}"))
    assert {check.found for check in checkup.checks} == {"here 0", "here 1"}
    checkup = await check_up(DoctorOptions(service), {"hangs": lambda _: f"late {over.wait(60)}"}, seconds=0.05)
    over.set()
    (check,) = checkup.checks
    assert (check.result, check.found.startswith("no answer within ")) == (DoctorResult.NG, True)


async def test_a_check_that_breaks_is_ng_and_shows_no_secret(service):
    def broken(_):
        raise RuntimeError(CANARY)

    (check,) = (await check_up(DoctorOptions(service), {"it": broken})).checks
    assert (check.result, check.found) == (DoctorResult.NG, "unexpected RuntimeError")


async def test_output_of_programs_cannot_control_the_terminal_or_add_a_line(service):
    def hostile(_):
        raise RefusedError("\x1b[2Jgone\nOK    fake", "\u202erun\r\nthis")

    checkup = await check_up(DoctorOptions(service), {"it": hostile})
    assert of_checkup(checkup) == "NG    it           gone OK fake; run this\n0 OK, 1 NG, 0 SKIP\n"


@pytest.mark.parametrize(
    ("answer", "healthy"), [(DoctorResult.OK, True), (DoctorResult.SKIP, True), (DoctorResult.NG, False)]
)
def test_a_checkup_is_healthy_unless_something_is_wrong(answer, healthy):
    assert (
        DoctorReport(
            (
                DoctorCheck(subject="it", result=DoctorResult.OK, found=""),
                DoctorCheck(subject="it", result=answer, found=""),
            )
        ).healthy
        is healthy
    )
