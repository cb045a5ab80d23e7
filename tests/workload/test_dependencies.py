import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.errors import BadInputError, ObstaclesError
from slipway.finder.tree import tree_at
from slipway.workload import dependencies
from slipway.workload.dependencies import lock_of, prepare, shared
from slipway.workload.python import READY, Python, check_environment, is_package, workspace_of

pytestmark = pytest.mark.slow

PROJECT = '[project]\nname = "empty"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = []\n'
LOCK = """\
version = 1
requires-python = ">=3.11"

[[package]]
name = "empty"
version = "0"
source = { virtual = "." }
"""


@pytest.fixture
def tree(tmp_path):
    """A service without dependencies, locked by uv."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "uv.lock").write_text(LOCK)
    return folder


def planned(tree: Path) -> dependencies._Plan:
    view = tree_at(tree)
    return dependencies._Plan(
        tree=tree, lock=lock_of(tree, view), view=view, linked=False, package=False, everything=False
    )


def key(tree: Path) -> str:
    return dependencies._key(planned(tree))


def elsewhere(tree: Path) -> Path:
    """The same service, unpacked to another folder."""
    return shutil.copytree(tree, tree.with_name("elsewhere"), dirs_exist_ok=True)


def test_the_most_exact_lock_wins(tree):
    (tree / "requirements.txt").write_text("")
    assert lock_of(tree, tree_at(tree)).name == "uv.lock"
    (tree / "pylock.toml").write_text("")
    assert lock_of(tree, tree_at(tree)).name == "uv.lock"
    (tree / "uv.lock").unlink()
    assert lock_of(tree, tree_at(tree)).name == "pylock.toml"
    (tree / "pylock.toml").unlink()
    assert lock_of(tree, tree_at(tree)).name == "requirements.txt"


@pytest.fixture
def member(tree):
    """A member of a workspace, without a lock of its own."""
    (tree / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['packages/*']\nexclude = ['packages/old']\n")
    for name in ("api", "old"):
        (tree / "packages" / name).mkdir(parents=True)
        (tree / "packages" / name / "pyproject.toml").write_text(PROJECT.replace("empty", name))
    return tree / "packages/api"


def test_the_lock_of_a_workspace_is_that_of_its_members(tree, member):
    assert (workspace_of(member), lock_of(member, tree_at(member))) == (tree, tree / "uv.lock")
    assert (workspace_of(member.with_name("old")), workspace_of(tree)) == (None, None)
    (tree / "uv.lock").unlink()
    with pytest.raises(BadInputError, match=r"the workspace .*/tree has no uv\.lock: run `uv lock` there"):
        lock_of(member, tree_at(member))
    (member / "requirements.txt").touch()
    assert lock_of(member, tree_at(member)) == member / "requirements.txt"


WHEEL = (
    "import zipfile\n\ndef build_editable(folder, *_):\n    name = 'empty-0.dist-info'\n"
    "    with zipfile.ZipFile(f'{folder}/empty-0-py3-none-any.whl', 'w') as wheel:\n"
    "        wheel.writestr('empty.pth', '/a/link')\n"
    "        wheel.writestr(f'{name}/METADATA', 'Metadata-Version: 2.1\\nName: empty\\nVersion: 0\\n')\n"
    "        wheel.writestr(f'{name}/WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
    "        wheel.writestr(f'{name}/RECORD', f'empty.pth,,\\n{name}/METADATA,,\\n{name}/WHEEL,,\\n{name}/RECORD,,\\n')\n"
    "    return 'empty-0-py3-none-any.whl'\n\nbuild_wheel = build_editable\n"
)
BACKEND = "\n[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"


def test_a_missing_file_that_a_package_names_is_an_obstacle_only_where_its_build_fails_for_it(tree, tmp_path):
    (tree / "pyproject.toml").write_text(f"{PROJECT}readme = 'README.md'\n{BACKEND}")
    for cause, sentence in (
        ("Readme file does not exist: README.md", 'README.md, the readme in .* remove readme, or, .* add "README.md"'),
        ("no gcc", "OSError: no gcc: install what its build needs"),
    ):
        other = elsewhere(tree)
        (other / "backend.py").write_text(f"def build_wheel(*_):\n    raise OSError('{cause}')\n")
        with pytest.raises(BadInputError, match=sentence):
            prepare(other, tmp_path / "cache")
        shutil.rmtree(tmp_path / "elsewhere-site", ignore_errors=True)
    (tree / "backend.py").write_text(WHEEL)
    assert prepare(tree, tmp_path / "cache").made_from == "uv.lock"


def test_a_package_that_does_not_build_is_refused_with_the_last_line_of_its_build(tree, tmp_path):
    (tree / "pyproject.toml").write_text(PROJECT + BACKEND)
    version = "os.environ['SETUPTOOLS_SCM_PRETEND_VERSION']"  # an unpacked release has no git to read it from
    (tree / "backend.py").write_text(f"import os\ndef build_wheel(*_):\n    raise OSError('no gcc for ' + {version})\n")
    with pytest.raises(
        BadInputError, match="the package empty does not build on this machine: OSError: no gcc for 0: install"
    ):
        prepare(tree, tmp_path / "cache")


def test_every_package_that_does_not_build_is_named_with_its_cause(tree, tmp_path):
    for name in "ab":
        (tree / name).mkdir()
        (tree / name / "pyproject.toml").write_text(PROJECT.replace("empty", name) + BACKEND)
        (tree / name / "backend.py").write_text(f"def build_wheel(*_):\n    raise OSError('no gcc for {name}')\n")
    (tree / "uv.lock").unlink()
    (tree / "requirements.txt").write_text(f"a @ {(tree / 'a').as_uri()}\nb @ {(tree / 'b').as_uri()}\n")
    with pytest.raises(BadInputError, match="install what their builds need") as caught:
        prepare(tree, tmp_path / "cache")
    for name in "ab":
        assert f"the package {name} does not build on this machine: OSError: no gcc for {name}" in caught.value.what


def test_a_package_whose_build_needs_the_pkg_resources_of_older_setuptools_gets_it(tree, tmp_path, monkeypatch):
    (tree / "uv.lock").unlink()
    (tree / "requirements.txt").write_text("old\n")
    script = tmp_path / "bin/uv"
    script.parent.mkdir()
    script.write_text(
        '#!/bin/sh\nfor each; do case "$1 $each" in "venv /"*) exec mkdir -p "$each" ;; esac; done\n'
        'case "$*" in *--build-constraints*) exit 0 ;; esac\n'
        "echo \"ModuleNotFoundError: No module named 'pkg_resources'\" >&2; exit 1\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    assert prepare(tree, tmp_path / "cache").folder.is_dir()


UV_FOR_ONE_PYTHON = """\
#!/bin/sh
case "$1 $2" in "python list") echo '[{"version": "3.9.1"}, {"version": "3.12.1"}, {"version": "3.13.0"}]'; exit ;; esac
for each; do case "$1 $each" in "venv /"*)
  mkdir -p "$each"; echo "$*" > "$each/asked"; echo "version_info = 3.13.0" > "$each/pyvenv.cfg"; exit ;;
esac; done
grep -q -- "--python 3.12" "${4%/bin/python}/asked" || { echo 'error: Failed to build `old==1`' >&2; exit 1; }
"""


def test_a_package_that_does_not_build_for_one_python_is_tried_with_the_others_of_this_machine(
    tree, tmp_path, monkeypatch
):
    for name in ("uv.lock", "pyproject.toml"):
        (tree / name).unlink()
    (tree / "requirements.txt").write_text("old\n")
    script, told = tmp_path / "bin/uv", []
    script.parent.mkdir()
    script.write_text(UV_FOR_ONE_PYTHON)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    made = prepare(tree, tmp_path / "cache", tell=told.append)
    assert told == [
        "making an environment from requirements.txt",
        "old==1 does not build for Python 3.13; trying 3.12",
    ]
    note = "the revisions ran on Python 3.12: old==1 does not build for 3.13"
    assert (made.folder / READY).read_text() == note
    script.write_text(script.read_text().replace("3.12", "3.8"))
    (tree / "requirements.txt").write_text("older\n")
    with pytest.raises(BadInputError, match="the package old==1 does not build on this machine"):
        prepare(tree, tmp_path / "cache")


def test_a_package_in_a_work_tree_is_linked_and_nothing_is_written_beside_it(tree, tmp_path):
    (tree / "uv.lock").unlink()
    (tree / "requirements.txt").touch()
    (tree / "pyproject.toml").write_text(PROJECT + BACKEND)
    (tree / "backend.py").write_text(WHEEL)
    python = prepare(tree, tmp_path / "cache", in_place=True)
    assert python.site is None
    assert list(python.folder.rglob("empty.pth"))
    assert {path.name for path in tmp_path.iterdir()} == {"tree", "cache"}
    released = elsewhere(tree)
    (released / "pyproject.toml").write_text(PROJECT.replace('"0"', '"1"') + BACKEND + "[tool.ruff]\nx = 1\n")
    assert shared(released, tree, python) == replace(python, site=tmp_path / "elsewhere-site")
    assert (tmp_path / "elsewhere-site/empty.pth").is_file()
    (released / "requirements.txt").write_text("idna\n")
    assert shared(released, tree, python) is None


def test_a_foreign_lock_beside_one_that_uv_reads_does_not_matter(tree):
    (tree / "poetry.lock").write_text("")
    assert lock_of(tree, tree_at(tree)).name == "uv.lock"


def test_a_service_that_declares_no_dependencies_is_refused_with_the_next_step(tmp_path):
    with pytest.raises(
        BadInputError, match=r"no file declares the service's dependencies.*: pass its virtual environment"
    ):
        lock_of(tmp_path, tree_at(tmp_path))


@pytest.mark.parametrize("name", ["poetry.lock", "pdm.lock", "Pipfile.lock", "requirements/prod.txt", "pyproject.toml"])
def test_a_lock_of_another_tool_or_only_a_declaration_will_do(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(PROJECT if name == "pyproject.toml" else "alembic==1.16.2\n")
    assert lock_of(tmp_path, tree_at(tmp_path)) == tmp_path / name


def test_the_next_release_with_this_lock_finds_its_environment(tree):
    assert key(tree) == key(elsewhere(tree))


@pytest.mark.parametrize(
    ("name", "more"),
    [("uv.lock", "# a\n"), ("pyproject.toml", "[tool.uv]\noffline = true\n"), (".python-version", "3.13\n")],
)
def test_another_lock_or_index_or_python_is_another_environment(tree, name, more):
    before = key(tree)
    with (tree / name).open("a") as file:
        file.write(more)
    assert key(tree) != before


@pytest.mark.parametrize("lock", ["uv.lock", "poetry.lock", "pyproject.toml"])
def test_what_uv_does_not_read_makes_no_other_environment(tree, lock):
    if lock != "uv.lock":
        (tree / "uv.lock").unlink()
        (tree / lock).touch()
    before = key(tree)
    project, more = PROJECT.replace("\n", " # ours\n", 1), "description = 'a'\n[tool.slipway]\n[tool.ruff]\nx = 1\n"
    (tree / "pyproject.toml").write_text(project + more)
    assert key(tree) == before
    (tree / "pyproject.toml").write_text(PROJECT.replace('"0"', '"1"'))
    if lock == "uv.lock":
        (tree / lock).write_text(LOCK.replace('"0"', '"1"'))
    assert (key(tree) == before) == (lock == "uv.lock")  # the environment of another one has the project's version
    (tree / "pyproject.toml").write_text(PROJECT.replace("[]", '["idna"]'))
    assert key(tree) != before


def test_a_project_that_is_imported_from_its_sources_has_its_name_and_version(tree, tmp_path):
    (tree / "uv.lock").unlink()
    (tree / "poetry.lock").write_text("")
    (tree / "pyproject.toml").write_text('[tool.poetry]\nname = "the-shop"\nversion = "1.2"\n')
    made = prepare(tree, tmp_path / "cache", in_place=True)
    ask = "from importlib.metadata import version; print(version('the_shop'))"
    assert subprocess.run([made.interpreter, "-c", ask], capture_output=True, text=True, check=True).stdout == "1.2\n"


@pytest.mark.parametrize(
    "source", ['{ editable = "packages/model" }', '{ directory = "packages/model" }', '{ virtual = "packages/model" }']
)
def test_a_lock_with_packages_of_the_tree_is_good_for_this_tree_alone(tree, source):
    (tree / "uv.lock").write_text(f'{LOCK}\n[[package]]\nname = "model"\nversion = "0"\nsource = {source}\n')
    assert key(tree) != key(elsewhere(tree))


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "-e packages/model",
        "--editable .",
        "./packages/model",
        "model @ file:packages/model",
    ],
)
@pytest.mark.parametrize("before", ["", "idna==3.10\n"], ids=["first", "second"])
def test_requirements_that_name_files_of_the_tree_are_good_for_this_tree_alone(tree, line, before):
    (tree / "uv.lock").unlink()
    (tree / "requirements.txt").write_text(f"{before}{line}\n")
    assert key(tree) != key(elsewhere(tree))


@pytest.mark.parametrize("line", ["-r more/base.txt", "--requirement=more/base.txt", "-c more/base.txt"])
def test_included_requirements_count_as_their_text_unless_they_name_files_of_the_tree(tree, line):
    (tree / "uv.lock").unlink()
    (tree / "more").mkdir()
    included = tree / "more/base.txt"
    (tree / "requirements.txt").write_text(f"idna\n{line}\n-r absent.txt\n")
    included.write_text("-r ../requirements.txt\nflask==1\n")
    before, other = key(tree), elsewhere(tree)
    assert before == key(other)
    included.write_text("flask==2\n")
    assert key(tree) != before
    included.write_text("-e .\n")
    assert key(tree) != key(elsewhere(tree))


def test_a_pylock_that_names_a_folder_of_the_tree_is_good_for_this_tree_alone(tree):
    (tree / "uv.lock").unlink()
    (tree / "pylock.toml").write_text('lock-version = "1.0"\n[[packages]]\nname = "idna"\n')
    assert key(tree) == key(elsewhere(tree))
    (tree / "parts").mkdir()
    sources = dependencies._sources(replace(planned(tree), without=("idna",)), tree / "parts")
    assert sources == ["--requirement", str(tree / "pylock.toml")]  # uv takes nothing else beside it
    with (tree / "pylock.toml").open("a") as file:
        file.write('[[packages]]\nname = "model"\ndirectory = { path = "model" }\n')
    assert key(tree) != key(elsewhere(tree))


def test_plain_requirements_are_good_for_every_tree(tree):
    (tree / "uv.lock").unlink()
    (tree / "requirements.txt").write_text(
        "# ./nothing\nidna==3.10 \\\n    --hash=sha256:00\n    # via -r base.in\n--index-url https://example.org\n"
    )
    assert key(tree) == key(elsewhere(tree))


@pytest.mark.parametrize(
    ("project", "package"),
    [
        ("", False),
        (PROJECT, False),
        (PROJECT + '[build-system]\nrequires = ["uv_build"]\n', True),
        (PROJECT + '[build-system]\nrequires = ["uv_build"]\n[tool.uv]\npackage = false\n', False),
        (PROJECT + "[tool.uv]\npackage = true\n", True),
    ],
)
def test_a_service_is_a_package_by_the_rule_of_uv(project, package):
    assert is_package(project) is package


def test_a_process_finds_the_programs_of_its_environment_first():
    told = Python(Path("/cache/env"), Path("/release-site")).variables()
    assert told["PATH"] == os.pathsep.join(["/cache/env/bin", "/release-site/bin", os.defpath])
    assert (told["VIRTUAL_ENV"], told["PYTHONPATH"]) == ("/cache/env", "/release-site")
    assert "PYTHONPATH" not in Python(Path("/cache/env")).variables()


def test_an_environment_is_made_once_and_found_again(tree, tmp_path):
    made = prepare(tree, tmp_path / "cache")
    assert made.interpreter.exists()
    (made.folder / "here").touch()
    assert prepare(elsewhere(tree), tmp_path / "cache") == made
    assert (made.folder / "here").exists()
    assert prepare(tree, tmp_path / "cache", everything=True) != made


def test_two_runs_that_need_the_same_environment_make_it_once(tree, tmp_path, monkeypatch):
    installed = []
    install = dependencies._install
    monkeypatch.setattr(
        dependencies, "_install", lambda *told, **named: (installed.append(told), install(*told, **named))
    )
    with ThreadPoolExecutor(2) as threads:
        one, two = threads.map(lambda _: prepare(tree, tmp_path / "cache"), range(2))
    assert one == two
    assert len(installed) == 1


def test_an_environment_that_was_left_half_made_is_made_again(tree, tmp_path):
    made = prepare(tree, tmp_path / "cache")
    (made.folder / "slipway-ready").unlink()
    (made.folder / "half").touch()
    prepare(tree, tmp_path / "cache")
    assert not (made.folder / "half").exists()


def test_a_lock_that_cannot_be_installed_is_refused_in_uvs_words_and_tried_again(tree, tmp_path):
    (tree / "uv.lock").unlink()
    (tree / "requirements.txt").write_text("absent @ file:///nowhere/absent-1.0-py3-none-any.whl\n")
    for _ in range(2):
        with pytest.raises(BadInputError, match=r"uv pip failed: .*absent"):
            prepare(tree, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_bad_input(tree, tmp_path):
    (tmp_path / "cache").write_text("a file, where a folder should be")
    with pytest.raises(BadInputError, match=r"the cache .* cannot be written: Not a directory; set XDG_CACHE_HOME"):
        prepare(tree, tmp_path / "cache")


def test_a_machine_without_uv_gets_the_advice_to_install_it(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(BadInputError, match="uv is not installed on this machine"):
        dependencies.uv()


GIT = """error: Failed to download and build `x @ git+https://me:token@git.example/x.git@abcdef0`
  cause: Git operation failed
         --- stderr
         fatal: unable to access 'https://git.example/x.git/': Could not resolve host
"""


@pytest.mark.parametrize("first", ["x.git@abcdef0`", "x.git`", "x.git@feature/x`", ""])
def test_a_dependency_from_git_that_cannot_be_fetched_is_named_without_its_password(first):
    said = GIT.replace("x.git@abcdef0`", first) if first else f"error: {GIT.partition('cause: ')[2]}"
    refused = dependencies._refusal(["pip", "install"], said, 1)
    assert refused.what.startswith(
        "the dependency https://git.example/x.git cannot be fetched: fatal: unable to access"
    )
    assert "--python DIR" in refused.next_step


def test_all_dependencies_from_git_that_cannot_be_fetched_are_named_in_one_run(tmp_path):
    there = tmp_path / "there"
    subprocess.run(["git", "init", "--quiet", there], check=True)
    (there / "pyproject.toml").write_text('[project]\nname = "there"\nversion = "1"\n')
    as_author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", "-C", there, "add", "."], check=True)
    subprocess.run(["git", "-C", there, *as_author, "commit", "--quiet", "--message", "One"], check=True)
    named = {name: f"file://{tmp_path}/{name}" for name in ("first", "second", "there")}
    (tmp_path / "requirements.txt").write_text("".join(f"{each} @ git+{named[each]}\n" for each in named))
    with pytest.raises(dependencies.UnfetchedError) as refused:
        dependencies.prepare(tmp_path, tmp_path / "cache")
    assert {*refused.value.addresses} == {named["first"], named["second"]}
    assert "give git on this machine access to them" in refused.value.next_step


@pytest.mark.parametrize(
    "stderr",
    [
        "error: No interpreter found for Python 3.9 in search path",
        "error: No interpreter found for Python >=3.9 in virtual environments",
        "error: Request failed\n  cause: Failed to download `https://mirror.example/20261110/cpython-3.9.20%2B2026.tar.gz`",
    ],
)
def test_a_python_that_cannot_be_had_is_named_with_the_commands_that_bring_it(stderr):
    refused = dependencies._refusal(["sync"], stderr, 1)
    assert str(refused).startswith("the service's Python 3.9 is not on this machine")
    assert "uv python install 3.9" in refused.next_step


@pytest.mark.parametrize(
    ("requires", "asked"), [("<3.99, >= 3.12", ">=3.12,<3.99"), (">=3.8", ">=3.10"), ("==3.8.*", "3.10")]
)
def test_uv_is_asked_for_a_python_within_the_bounds_of_the_project_and_of_the_gate(tree, requires, asked):
    (tree / "pyproject.toml").write_text(PROJECT.replace(">=3.11", requires))
    assert planned(tree).python == ["--python", asked]


def test_a_python_that_is_too_old_for_the_gate_is_noted_also_when_another_file_names_another_one(tree):
    (tree / ".python-version").write_text("3.8\n")
    (tree / "Dockerfile").write_text("FROM python:3.9\n")
    (note,) = dependencies.notes(tree_at(tree))
    assert note.endswith("the oldest that the gate supports; .python-version names 3.8")


def test_a_python_of_pyenv_that_it_has_not_selected_is_found(tree, tmp_path, monkeypatch):
    major, minor, _ = platform.python_version_tuple()
    (tree / ".python-version").write_text(f"{major}.{minor}\n")
    programs = tmp_path / f"pyenv/versions/{platform.python_version()}/bin"
    programs.mkdir(parents=True)
    (programs / f"python{major}.{minor}").symlink_to(sys.executable)
    for name in ("PATH", "UV_PYTHON_INSTALL_DIR", "PYENV_ROOT"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    with pytest.raises(BadInputError, match="is not on this machine"):
        dependencies.python_here(tree)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert dependencies.python_here(tree) == f"Python {platform.python_version()}"


def test_the_python_that_doctor_names_is_the_oldest_of_a_range_as_in_the_environment(tree, tmp_path, monkeypatch):
    (tree / "pyproject.toml").write_text(PROJECT.replace(">=3.11", ">=3.12, <3.14"))
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\nfor asked; do :; done\necho "$asked"\n')
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert dependencies.python_here(tree) == "Python 3.12"


def test_a_python_that_cannot_be_had_gives_way_to_one_here_that_the_project_allows(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    (tree / "Dockerfile").write_text("FROM python:3.99-slim\n")
    made = prepare(tree, tmp_path / "cache")
    note = (made.folder / READY).read_text()
    assert "the revisions ran on Python 3." in note
    assert "Dockerfile line 1 names 3.99, which this machine lacks" in note
    with pytest.raises(BadInputError, match=r"the gate tries it, too, and takes 3\.\d+ otherwise"):
        dependencies.python_here(tree)
    (tree / "pyproject.toml").write_text(PROJECT.replace(">=3.11", "==3.99.*"))
    with pytest.raises(BadInputError, match=r"the service's Python 3\.99 is not on this machine, and uv could not"):
        prepare(tree, tmp_path / "cache")


def environment(folder, python, *packages):
    for package in packages:
        (folder / f"lib/python{python}/site-packages/{package}.dist-info").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    return Python(folder)


def test_everything_in_an_environment_that_is_too_old_for_the_gate_is_named_at_once(tmp_path):
    python = environment(tmp_path, "3.9", "SQLAlchemy-1.3.24", "psycopg2-2.9")
    with pytest.raises(ObstaclesError) as refused:
        check_environment(python)
    assert [each.what.removeprefix(f"{tmp_path} has ") for each in refused.value.obstacles] == [
        "Python 3.9, and the gate runs on 3.10 or newer",
        "SQLAlchemy 1.3.24, and slipway needs 1.4 or newer",
        "no alembic",
    ]


def test_an_environment_of_today_will_do(tmp_path):
    python = environment(tmp_path, "3.13", "sqlalchemy-1.4.54", "alembic-1.8.0")
    check_environment(python)
    shutil.rmtree(tmp_path / "lib/python3.13/site-packages/alembic-1.8.0.dist-info")
    (tmp_path / "pyvenv.cfg").write_text("include-system-site-packages = true\n")
    check_environment(python)
