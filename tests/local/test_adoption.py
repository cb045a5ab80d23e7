"""`slipway init` writes at most what is missing, and touches nothing of the user's."""

import itertools
import json
from dataclasses import replace

import pytest

from slipway import __version__
from slipway.errors import BadInputError
from slipway.local import adoption
from slipway.local.installed import requirement, requirement_from
from slipway.records.adoption import FileState
from slipway.report.answers.adopt import of_adoption
from slipway.settings import SettingsError, load
from slipway.source.git import git
from slipway.structure import kebab, write

PROJECT = '# ours\n[project]\nname   =   "shop" # odd\ndependencies = ["alembic","psycopg"]\n[tool.other]\nx={y=1}'
FILES = {
    ".git/HEAD": "",
    "alembic.ini": "[alembic]\nscript_location = migrations\n",
    "migrations/env.py": "from alembic import context\n",
    "migrations/versions/one.py": "revision = 'one'\ndown_revision = None\n",
    "app/main.py": "app = FastAPI()\n@app.get('/healthz')\ndef healthz(): ...\n",
    "app/config.py": "class Settings(BaseSettings):\n    TRIES: int\n",
    "compose.yml": "image: postgres:17\n",
    "pyproject.toml": PROJECT,
}
FOLDER = {"subdirectory": "distributions/gate"}
GIT = {"vcs_info": {"vcs": "git", "commit_id": "c0ffee"}, **FOLDER}
WORKFLOW = ".github/workflows/slipway.yml"


@pytest.fixture
def folder(tmp_path):
    return service(tmp_path / "Shop", FILES)


def service(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, newline="")
    return folder


def propose(folder, *more):
    return adoption.propose(adoption.surveyed(folder), *more)


def initialised(folder):
    return adoption.written(folder, propose(folder))


def states(adopted):
    return {file.name: file.state for file in adopted.files}


def test_nothing_is_written_until_one_says_yes(folder):
    before = sorted(folder.rglob("*"))
    proposed = propose(folder)
    assert states(proposed) == {"pyproject.toml": FileState.PROPOSED, WORKFLOW: FileState.PROPOSED}
    text = of_adoption(proposed).text
    assert "+[tool.slipway]" in text
    assert "run `slipway init --yes`" in text
    assert sorted(folder.rglob("*")) == before


def test_the_table_says_what_was_found_and_what_was_guessed_and_every_other_byte_stays(folder):
    initialised(folder)
    text = (folder / "pyproject.toml").read_text()
    assert text.startswith(PROJECT)
    assert "port = 8000 # guessed: no file names a port\n" in text
    settings = load(folder)
    assert (settings.name, settings.health_path, settings.port) == ("shop", "/healthz", 8000)
    assert settings.command == ("uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000")
    assert settings.migrations.variables == {"TRIES": "1"}
    assert (settings.migrations.postgres, settings.migrations.driver) == ("17", "postgresql+psycopg")


def test_assumptions_and_commands_that_are_left_out_are_shown(folder):
    (folder / "compose.yml").unlink()
    (folder / "app/main.py").write_text("app = Flask()\n")
    (folder / "Procfile").write_text("web: alembic upgrade head; flask translate; gunicorn app.main:app\n")
    (folder / "app/config.py").write_text("import os\nHOST, URL = os.getenv('DB_HOST'), os.getenv('WRITER_DB_URL')\n")
    lines = of_adoption(propose(folder)).text.splitlines()
    shown = {line.split("  ")[0]: line.partition("(")[2] for line in lines}
    assert shown["python"] == "assumed: no file names a version)"
    assert shown["postgres"] == "assumed: no file names the major in production)"
    assert shown["health path"] == "assumed: no health check or route found)"
    assert "database variable" not in shown or "no file" not in shown["database variable"]
    (folder / "app/config.py").write_text("URL = yaml.load(open('config.yml'))['url']\n")
    (folder / ".env.example").unlink(missing_ok=True)
    unread = next(
        line for line in of_adoption(propose(folder)).text.splitlines() if line.startswith("database variable")
    )
    assert " DATABASE_URL " in unread
    assert "assumed: no file of the service reads it" in unread
    notes = [line for line in lines if line.startswith("NOTE")]
    assert "slipway migrates before the release, and leaves out alembic upgrade head" in notes[0]
    assert "left out of the start command: flask translate;" in notes[1]
    assert notes[2].startswith("NOTE name health-path in [tool.slipway]")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"url": "https://token@example.com/o/slipway.git", **GIT}, "git+https://example.com/o/slipway.git@c0ffee"),
        ({"url": "ssh://git@example.com/o/slipway", **GIT}, "git+ssh://git@example.com/o/slipway@c0ffee"),
        ({"url": "https://example.com/s.zip", "archive_info": {}, **FOLDER}, "https://example.com/s.zip"),
    ],
)
def test_a_workflow_installs_the_slipway_that_wrote_it(record, expected):
    needed = f"slipway-gate[local] @ {expected}#subdirectory=distributions/gate"
    assert requirement_from(json.dumps(record)) == (needed, "")


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://token@example.com/o/slipway.git", "git+https://example.com/o/slipway.git"),
        ("git@example.com:o/slipway.git", "git+ssh://git@example.com/o/slipway.git"),
        ("/srv/slipway", None),
    ],
)
def test_from_a_clone_on_this_machine_it_installs_the_commit_of_its_remote(tmp_path, remote, expected):
    (tmp_path / "distributions/gate").mkdir(parents=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (
        ["init", "-q"],
        ["remote", "add", "origin", remote],
        [*who, "commit", "-q", "--allow-empty", "-m", "a"],
    ):
        git(tmp_path, arguments)
    commit = git(tmp_path, ["rev-parse", "HEAD"]).decode().strip()
    from_folder = {"url": (tmp_path / "distributions/gate").as_uri(), "dir_info": {}}
    from_git = {"url": tmp_path.as_uri(), **GIT}
    if expected is None:
        assert requirement_from(json.dumps(from_git))[0] == f"slipway-gate[local]=={__version__}"
        return
    for record, at in ((from_folder, commit), (from_git, "c0ffee")):
        needed, step = requirement_from(json.dumps(record))
        assert needed == f"slipway-gate[local] @ {expected}@{at}#subdirectory=distributions/gate"
        assert step == "that commit must be at this remote"


def test_from_an_index_a_workflow_pins_the_version_and_from_a_folder_a_note_says_that_it_must_be_published(folder):
    pinned = f"slipway-gate[local]=={__version__}"
    assert requirement_from(None) == (pinned, "")
    for record in ({"url": "file:///slipway", **GIT}, {"url": "file:///x.whl", "archive_info": {}}):
        assert requirement_from(json.dumps(record))[0] == pinned
    text = of_adoption(propose(folder)).text  # the tests run in a checkout
    needed, step = requirement()
    assert f"+      - run: pipx run --spec '{needed}' slipway gate --database-url postgresql://" in text
    assert (
        f"NOTE the workflow installs {needed}, because this slipway comes from a folder of this machine: {step}" in text
    )


def test_a_second_time_changes_nothing(folder):
    initialised(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = initialised(folder)
    assert set(states(again).values()) == {FileState.KEPT}
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert "nothing to change" in of_adoption(again).text


def test_a_workflow_of_the_users_that_runs_slipway_is_kept_and_another_ci_gets_none(folder):
    (folder / ".github/workflows").mkdir(parents=True)
    (folder / ".github/workflows/ours.yml").write_text("run: slipway gate\n")
    assert states(propose(folder))[".github/workflows/ours.yml"] is FileState.KEPT
    (folder / ".github/workflows/ours.yml").unlink()
    (folder / ".gitlab-ci.yml").write_text("")
    proposed = propose(folder)
    assert list(states(proposed)) == ["pyproject.toml"]
    assert any("docs/how-to/ci.md of slipway has the lines for GitLab" in note for note in proposed.notes)


def test_a_service_whose_files_are_in_one_folder_is_asked_to_be_named(tmp_path):
    for name in ("alembic.ini", "migrations/env.py", "requirements.txt"):
        (tmp_path / "backend" / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "backend/alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (tmp_path / "backend/migrations/env.py").write_text("from alembic import context\n")
    (tmp_path / "backend/requirements.txt").write_text("alembic==1.16.2\n")
    (obstacle,) = propose(tmp_path).obstacles
    assert str(obstacle.what) == "this folder declares no dependencies; the service is in backend"
    assert obstacle.next_step == "pass --source backend"
    service(tmp_path / "tasks", {"db/env.py": "from alembic import context\n", "setup.py": ""})
    (obstacle,) = propose(tmp_path).obstacles
    assert obstacle.what == "this folder is no service, but has 2: backend, tasks"
    assert of_adoption(propose(tmp_path)).text.startswith("service ")
    (tmp_path / "requirements.txt").write_text("alembic==1.16.2\n")
    service(tmp_path, {"alembic.ini": "[alembic]\nscript_location = backend/migrations\n"})
    assert propose(tmp_path).obstacles == ()


@pytest.mark.parametrize(
    "pyproject",
    [None, 'tool = { ruff = { x = 1 } }\nproject = { name = "a" }\n'],
    ids=["none", "tool as an inline table"],
)
def test_a_service_whose_pyproject_cannot_be_extended_gets_a_file_of_its_own(tmp_path, pyproject):
    files = {name: text for name, text in FILES.items() if name != "pyproject.toml"}
    folder = service(tmp_path / "Shop", files | ({"pyproject.toml": pyproject} if pyproject else {}))
    initialised(folder)
    assert (folder / "slipway.toml").exists()
    assert load(folder).migrations.postgres == "17"
    if pyproject:
        assert (folder / "pyproject.toml").read_text() == pyproject


PIECES = (
    "[project]\nname = 'shop' # \u00e9",
    "[tool]\nx = {a=1,\tb=2}",
    "tool = {a={b=1}}",
    '"tool"."q" = 1',
    "[[tool.x]]\na=1\n[[tool.x]]",
    '[tool.pytest]\na="""\n[tool.slipway]\n"""',
    "[ tool . 'ruff' ]\nx = [\n 1, # one\n]",
    "[tool.slipwayx]\na = 1\n# a comment",
    "   \n\t",
)


@pytest.mark.parametrize(("text", "ending"), [*zip(PIECES, itertools.cycle(("", "\r\n", "\n")), strict=False)])
def test_every_byte_of_an_oddly_written_pyproject_stays_and_a_second_run_changes_nothing(folder, text, ending):
    before = f"\ufeff{text}{ending}".replace("\n", ending or "\n").encode()
    (folder / "pyproject.toml").write_bytes(before)
    written = initialised(folder)
    after = (folder / "pyproject.toml").read_bytes()
    assert after.startswith(before)
    assert written.obstacles == ()
    assert (folder / "slipway.toml").exists() or b"[tool.slipway]" in after.removeprefix(before)
    assert set(states(propose(folder)).values()) == {FileState.KEPT}


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        (
            "pyproject.toml",
            "[project]\nname = 'caf\u00e9'\n".encode("latin-1"),
            "pyproject.toml is not UTF-8 in line 2",
        ),
        ("pyproject.toml", "[project]\nname = 'shop'\n".encode("utf-16"), "pyproject.toml is not UTF-8 in line 1"),
        ("pyproject.toml", b"bad = = toml", "pyproject.toml is not TOML"),
        ("pyproject.toml", b"[tool.slipway]\nport = 'x'\n", "pyproject.toml: [tool.slipway] port"),
        ("slipway.toml", b"[tool.other]\n", "slipway.toml has no [tool.slipway]"),
    ],
)
def test_a_settings_file_that_slipway_could_not_read_afterwards_is_an_obstacle(folder, name, content, what):
    (folder / name).write_bytes(content)
    adopted = initialised(folder)
    assert [each.what for each in adopted.obstacles] == [what]
    assert adopted.files == ()
    assert (folder / name).read_bytes() == content


def test_line_ends_of_windows_stay(tmp_path):
    folder = service(tmp_path, FILES | {"pyproject.toml": PROJECT.replace("\n", "\r\n")})
    initialised(folder)
    content = (folder / "pyproject.toml").read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")


def test_services_in_folders_share_a_workflow_that_proves_all_of_them(tmp_path):
    alone = {name: text for name, text in FILES.items() if name != ".git/HEAD"}
    service(tmp_path, {".git/HEAD": "", ".github/workflows/ours.yml": "run: slipway gate --source services/news\n"})
    image = "FROM python:3.12\nRUN apt-get update && apt-get install -y git libpq-dev \\\n  libmagic1 && true\n"
    initialised(service(tmp_path / "services/shop", alone | {"Dockerfile": image}))
    written = tmp_path / ".github/workflows/slipway-services.yml"
    server = "postgresql://postgres:postgres@localhost:5432/postgres"
    assert written.read_text().endswith(f"slipway gate --all-services --changed --database-url {server}\n")
    assert '{ postgres: { image: "postgres:17", env' in written.read_text()
    assert "echo libpq-dev libmagic1 | xargs -n1 sudo apt-get install" in written.read_text()
    assert len(written.read_text().splitlines()) <= 14
    assert {"on: [pull_request, merge_group]", "    timeout-minutes: 30"} < {*written.read_text().splitlines()}
    kept = {folder: states(propose(service(tmp_path / folder, alone))) for folder in ("services/news", "old")}
    assert kept["services/news"]["../../.github/workflows/ours.yml"] is FileState.KEPT
    assert kept["old"]["../.github/workflows/slipway-services.yml"] is FileState.KEPT


def test_a_runner_starts_no_postgres_that_the_gate_refuses(folder):
    service(folder, {"compose.yml": "image: postgres:11.5-alpine\n"})
    adopted = initialised(folder)
    assert "--database-url" not in (folder / WORKFLOW).read_text()
    assert load(folder).migrations.postgres == "11"
    assert "compose.yml line 1 has PostgreSQL 11; the gate runs the revisions on another one" in " ".join(adopted.notes)


def test_a_health_path_that_is_guessed_is_written_with_the_reason(folder):
    (folder / "app/main.py").write_text(
        "app = FastAPI()\nrouter = APIRouter()\n@router.get('/ping')\ndef ping(): ...\n"
    )
    initialised(folder)
    text = (folder / "pyproject.toml").read_text()
    assert 'health-path = "/ping" # guessed: a router may be mounted under a prefix\n' in text
    assert load(folder).health_path == "/ping"


def test_the_services_own_dockerfile_goes_into_the_table_of_images(folder):
    service(folder, {"Dockerfile": "FROM python:3.12 AS prod\nUSER app\nFROM prod AS dev\n"})
    initialised(folder)
    images = load(folder).images
    assert (images.dockerfile, images.target) == ("Dockerfile", "prod")
    root = propose(service(folder / "api", FILES | {"Dockerfile": "FROM python:3.12\n"})).notes
    assert any(
        note.startswith("Dockerfile line 1 begins an image that runs as root, which slipway refuses") for note in root
    )


@pytest.mark.parametrize(
    "own", ["", '\r\n[tool.slipway.migrations] # ours\r\nextensions = ["citext"]\r\n\r\n[tool.after]\r\n']
)
def test_a_later_run_names_a_baseline_in_the_table_that_was_written_without(folder, own):
    initialised(folder)
    path = folder / ("pyproject.toml" if "slipway" in (folder / "pyproject.toml").read_text() else "slipway.toml")
    if own:
        path.write_bytes(b"[tool.slipway]" + own.encode())
    before = path.read_bytes()
    adoption.written(folder, propose(folder, "CREATE TABLE a ();\n"))
    line = b'baseline = "migrations/baseline.sql"\n'
    assert path.read_bytes().replace(line, b"") == before
    assert load(folder, named=False).migrations.baseline == "migrations/baseline.sql"
    assert (folder / "migrations/baseline.sql").is_file()
    assert propose(folder, "CREATE TABLE b ();\n").is_complete


def test_a_baseline_is_a_file_of_its_own_and_named_in_the_table(folder):
    (folder / "migrations/versions/one.py").write_text(
        "revision = 'one'\ndown_revision = None\ndef upgrade():\n    op.drop_column('a', 'b')\n"
    )
    assert propose(folder).begins_on_a_schema
    written = adoption.written(folder, propose(folder, "CREATE TABLE a ();\n"))
    assert (folder / "migrations/baseline.sql").read_text().endswith("\n\nCREATE TABLE a ();\n")
    assert load(folder).migrations.baseline == "migrations/baseline.sql"
    assert propose(folder).is_complete
    text = of_adoption(replace(written, begins_later=True, passed=True)).text
    assert text.endswith("\ncommit these files; the gate begins with the next revision\n")


def test_in_a_repository_of_another_user_nothing_is_proposed_because_git_does_not_say_what_is_committed(
    tmp_path, monkeypatch
):
    git(service(tmp_path, {name: text for name, text in FILES.items() if name != ".git/HEAD"}), ["init", "--quiet"])
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(BadInputError, match=r"run `git config --global --add safe\.directory"):
        propose(tmp_path)


def test_obstacles_are_listed_and_nothing_is_proposed(tmp_path):
    adopted = propose(service(tmp_path, {"alembic.ini": "[alembic]\n"}))
    assert adopted.files == ()
    result = of_adoption(adopted)
    assert (result.code, "OBSTACLE alembic.ini has no script_location" in result.text) == (1, True)


def test_check_reports_the_keys_that_another_file_contradicts(folder):
    image = "FROM python:3.12\nCMD uvicorn app.main:app {}--port 8000\n"
    service(folder, {"Dockerfile": image.format("")})
    initialised(folder)
    fits = of_adoption(adoption.check(folder))
    assert (fits.code, "whether the migrations run is shown by `slipway gate`" in fits.text) == (0, True)
    service(folder, {"Dockerfile": image.format("--workers 4 "), "compose.yml": "image: postgres:18\n"})
    (folder / "app/config.py").write_text("class Settings(BaseSettings):\n    TRIES: int\n    MOTTO: str\n")
    result = of_adoption(adoption.check(folder))
    assert result.code == 1
    command = "uvicorn app.main:app {}--host 0.0.0.0 --port 8000"
    drift = f"the settings have {command.format('')}, Dockerfile line 2 has {command.format('--workers 4 ')}"
    assert f"DRIFT command: {drift}" in result.text
    assert "DRIFT migrations.postgres: the settings have 17, compose.yml line 1 has 18" in result.text
    assert "DRIFT migrations.variables.MOTTO: the settings have nothing" in result.text
    assert "DATABASE_URL" not in result.text
    (folder / "app/config.py").write_text("import os\nos.environ['DB_URL']\n")
    assert "has DB_URL" in of_adoption(adoption.check(folder)).text
    with (folder / "pyproject.toml").open("a") as settings:  # below the variables
        settings.write('DB_URL = "{url}"\n')
    assert "DB_URL" not in of_adoption(adoption.check(folder)).text


def test_a_service_without_an_application_gets_settings_of_migrations_only(tmp_path):
    files = {name: FILES[name] for name in ("alembic.ini", "migrations/env.py")}
    folder = service(tmp_path, files)
    initialised(folder)
    assert load(folder, named=False).migrations.config == "alembic.ini"
    assert "[tool.slipway]\n" not in (folder / "slipway.toml").read_text()
    assert 'add name = "…", command = ["…"] and health-path' in of_adoption(propose(folder)).text
    with pytest.raises(SettingsError, match=r'\[tool.slipway\] has no name and no command: add name = "…" and command'):
        load(folder)


def test_the_settings_are_those_that_the_gate_uses_without_them(folder):
    from slipway.local.prove import migrations_of

    before = write(migrations_of(folder), kebab)
    initialised(folder)
    assert write(migrations_of(folder), kebab) == before


def test_a_table_with_one_setting_does_not_lose_the_settings_file_that_the_finder_reads(tmp_path):
    from slipway.local.prove import migrations_of

    moved = {
        f"app/{name}" if name.startswith(("alembic", "migrations")) else name: text for name, text in FILES.items()
    }
    folder = service(tmp_path, moved)
    found = migrations_of(folder)
    assert found.config == "app/alembic.ini"
    (folder / "slipway.toml").write_text('[tool.slipway.migrations]\nbaseline = "baseline.sql"\npostgres = "18"\n')
    assert (found.postgres, migrations_of(folder)) == ("17", replace(found, baseline="baseline.sql", postgres="18"))
