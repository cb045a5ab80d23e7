"""The folder that a call is about, in a repository of several projects."""

import posixpath
import re
from fnmatch import fnmatch
from types import SimpleNamespace
from unittest.mock import AsyncMock

import dagger
import pytest
from dagger._exceptions import QueryErrorValue  # the package exports it under no other name

from slipway.graph.folder import commit_of, folder_of
from slipway.graph.stage import _patched
from slipway.graph.workspace import declared_in, source_of
from slipway.main import FunctionError, Slipway
from slipway.objects.call import Call
from slipway.records.form import to_json
from slipway.settings import parse
from tests.graph.conftest import PYPROJECT
from tests.graph.test_queries import PROOF

pytestmark = pytest.mark.slow

MEMBER = PYPROJECT + '\n[build-system]\nrequires = ["uv_build"]\n[tool.uv.sources]\nmodels = { workspace = true }\n'
LOCK = """
version = 1
[[package]]
name = "api"
source = { editable = "packages/api" }
dependencies = [{ name = "models" }, { name = "sqlalchemy" }]
[[package]]
name = "models"
source = { editable = "packages/models" }
dependencies = [{ name = "types" }]
[[package]]
name = "types"
source = { virtual = "packages/types" }
[[package]]
name = "other"
source = { editable = "packages/other" }
[[package]]
name = "sqlalchemy"
source = { registry = "https://packages.example.org/simple" }
"""


@pytest.fixture
def repository(engine):
    """Answer from a repository of these files; the caller is in its root."""

    def of(files, caller="/"):
        files = {"/.git/HEAD": "c0ffee"} | files

        def folder_in(chain):
            return next(
                (step.arguments["path"] for step in chain if "path" in step.arguments and step.name == "directory"), "/"
            )

        def entries(chain):
            include = next((step.arguments["include"] for step in chain if "include" in step.arguments), [])
            return [name for name in include if posixpath.join(folder_in(chain), name) in files]

        def find_up(chain):
            path = posixpath.normpath(posixpath.join(caller, chain[-1].arguments.get("from", ".")))
            while posixpath.join(path, chain[-1].arguments["name"]) not in files:
                if path == "/":
                    return None
                path = posixpath.dirname(path)
            return posixpath.join(path, chain[-1].arguments["name"])

        def glob(chain):
            return [name.removeprefix("/") for name in files if fnmatch(name, chain[-1].arguments["pattern"])]

        def contents(chain):
            return files[posixpath.join(folder_in(chain), chain[-2].arguments["path"])]

        engine.answers |= {"entries": entries, "findUp": find_up, "contents": contents, "glob": glob}

    return of


def folders_asked_for(engine):
    """Return the folders of which files were read, but for git's own."""
    asked = [
        chain[1] for chain in engine.chains if [step.name for step in chain[:2]] == ["currentWorkspace", "directory"]
    ]
    return {step.arguments["path"] for step in asked if ".git/HEAD" not in step.arguments.get("include", ())}


@pytest.mark.parametrize(
    ("path", "caller"),
    [
        ("services/notes", "/"),
        ("/services/notes", "/elsewhere"),
        ("../notes", "/services/bills"),
        (".", "/services/notes"),
        (".", "/services/notes/app/deep"),
    ],
)
async def test_a_service_in_a_folder_is_named_from_the_callers_folder_or_is_the_nearest_one_above_it(
    engine, workspace, repository, path, caller
):
    above = {"/pyproject.toml": "", "/slipway.toml": ""}
    repository(above | {"/services/notes/pyproject.toml": PYPROJECT, "/services/notes/uv.lock": ""}, caller)
    await (await Slipway(path=path).image(workspace)).sync()
    assert folders_asked_for(engine) == {"/services/notes"}


@pytest.mark.parametrize(
    ("path", "files", "sentence"),
    [
        ("services/nots", {"/pyproject.toml": PYPROJECT}, "services/nots has no pyproject.toml or slipway.toml, unlike the repository's root above it: correct --path"),
        (".", {}, "the current folder and those above it have no pyproject.toml or slipway.toml: call from the service's folder, or name it with --path"),
        (".", {"/a/pyproject.toml": PYPROJECT, "/b/pyproject.toml": "[project]"}, "the current folder and those above it have no pyproject.toml or slipway.toml: name the service's folder: --path /a"),
        (".", {"/a/slipway.toml": PYPROJECT, "/.b/slipway.toml": PYPROJECT, "/c/slipway.toml": PYPROJECT}, "the current folder and those above it have no pyproject.toml or slipway.toml: name the service's folder: --path /a, or /c"),
        ("a\nb", {"/pyproject.toml": PYPROJECT}, r"--path is 'a\nb', with a character that is not printed: name the service's folder"),
        (".", {"/pyproject.toml": "[project]", "/a/pyproject.toml": PYPROJECT, "/b/pyproject.toml": PYPROJECT}, "pyproject.toml has no [tool.slipway]: name the service's folder: --path /a, or /b"),
        ("a/b", {}, "a/b has no pyproject.toml or slipway.toml: call from the service's folder, or name it with --path"),
        ("a", {"/a/pyproject.toml": "[project]"}, "a/pyproject.toml has no [tool.slipway]: add the table with at least"),
        ("a", {"/a/pyproject.toml": PYPROJECT}, "a has none of uv.lock, requirements.txt: run `uv lock` there and commit uv.lock"),
        ("other", {"/other/pyproject.toml": PYPROJECT, "/uv.lock": LOCK}, "other has none of uv.lock, requirements.txt, and the uv.lock of the repository's root does not list it: add it to [tool.uv.workspace] members"),
        (
            "packages/api",
            {"/uv.lock": "version = 1", "/packages/api/pyproject.toml": MEMBER},
            "the uv.lock of the repository's root is not one that uv wrote: write it with `uv lock`",
        ),
    ],
)  # fmt: skip
async def test_an_error_names_the_folder_that_was_read(workspace, repository, path, files, sentence):
    repository(files)
    with pytest.raises(FunctionError, match=f"^{re.escape(sentence)}"):
        await Slipway(path=path).image(workspace)


@pytest.mark.parametrize("caller", ["/services/notes", "/services/notes/deep"])
async def test_a_service_without_pyproject_toml_is_read_and_built_from_its_slipway_toml(
    engine, workspace, repository, caller
):
    service = {"slipway.toml": PYPROJECT, "requirements.txt": "", ".python-version": "3.12"}
    repository(
        {"/pyproject.toml": "[project]"} | {f"/services/notes/{name}": text for name, text in service.items()}, caller
    )
    await Slipway().image(workspace)
    assert folders_asked_for(engine) == {"/services/notes"}
    assert engine.steps("withLabel")[-1].arguments  # the image was defined to its end
    environment = await Slipway().environment("nowhere")
    with pytest.raises(FunctionError, match=r"^there is no environment 'nowhere': name one of staging, or add"):
        await environment.status(workspace)
    found = await Call(environment, workspace).services()
    assert {folder: each.name for folder, each in found.items()} == {"services/notes": "notes"}


async def test_a_previous_release_that_is_no_service_is_refused_whatever_the_settings_want(workspace, repository):
    repository({"/pyproject.toml": PYPROJECT, "/uv.lock": ""})
    with pytest.raises(
        FunctionError,
        match=r"^the directory of --previous has no pyproject\.toml or slipway\.toml: pass the service's folder",
    ):
        await Slipway().gate(workspace, previous=dagger.dag.directory().directory("/other"))


async def test_the_gate_needs_no_settings_and_gets_the_folder_for_the_names_of_files_in_its_reports(
    engine, workspace, repository
):
    service = {"/services/notes/pyproject.toml": "[project]", "/services/notes/uv.lock": ""}
    repository(service | {"/tmp/proof.json": to_json(PROOF)}, "/services/notes")
    engine.answers |= {"exitCode": 0, "stdout": ""}
    assert (await Slipway().gate(workspace)).verdict == "passed"
    assert '"folder": "services/notes"' in engine.steps("withExec")[-1].arguments["stdin"]


async def test_a_settings_file_of_alembic_elsewhere_is_named_before_anything_is_built(engine, workspace, repository):
    repository({"/pyproject.toml": "[project]", "/uv.lock": "", "/db/alembic.ini": ""})
    engine.answers["exists"] = False
    with pytest.raises(
        FunctionError, match=r"has no alembic\.ini: set config in \[tool\.slipway\.migrations\] to 'db/alembic\.ini'$"
    ):
        await Slipway().gate(workspace)
    assert not engine.steps("withExec")


async def test_a_member_of_a_uv_workspace_is_built_from_the_workspaces_lock_with_the_members_it_needs(
    engine, workspace, repository
):
    repository({"/uv.lock": LOCK, "/packages/api/pyproject.toml": MEMBER, "/.python-version": "3.12"})
    built = await Slipway(path="packages/api").image(workspace)
    await built.sync()
    commands = [step.arguments["args"] for step in engine.steps("withExec")]
    assert [
        "uv",
        "sync",
        "--locked",
        "--no-install-workspace",
        "--package",
        "api",
        "--no-editable",
        "--no-dev",
    ] in commands
    assert [
        "uv",
        "pip",
        "install",
        "--no-deps",
        "--no-sources",
        "--target",
        "/opt/site",
        "/opt/workspace/packages/models",
        ".",
    ] in commands
    (projects,) = {
        tuple(step.arguments["include"]) for step in engine.steps("directory") if "uv.lock" in step.arguments.get("include", ()) and "packages/api/pyproject.toml" in step.arguments["include"]
    }  # fmt: skip
    assert set(projects) == {"uv.lock", "pyproject.toml"} | {f"packages/{name}/pyproject.toml" for name in ("api", "models", "types", "other")}  # fmt: skip
    assert any("3.12" in step.arguments["address"] for step in engine.steps("from"))


async def test_the_checks_of_a_member_have_the_tools_of_the_whole_workspace(engine, workspace, repository):
    checks = '\n[tool.slipway.checks]\nlint = ["ruff", "check"]\n'
    repository({"/uv.lock": LOCK, "/packages/api/pyproject.toml": MEMBER + checks})
    engine.answers |= {"exitCode": 0, "combinedOutput": ""}
    await Slipway(path="packages/api").lint(workspace)
    commands = [step.arguments["args"] for step in engine.steps("withExec")]
    assert ["uv", "sync", "--locked", "--no-install-workspace", "--all-packages", "--no-editable"] in commands


@pytest.mark.parametrize(("header", "inside"), [(" a/services/notes/app/main.py", True), (" a/app/main.py", False)])
async def test_a_patch_of_the_rehearsal_may_be_relative_to_gits_root_or_to_the_service(
    engine, workspace, repository, header, inside
):
    patch = f"Subject: [PATCH] Change\n\ndiff --git{header} b\n"
    files = {"pyproject.toml": PYPROJECT, "uv.lock": "", "x.patch": patch}
    repository({f"/services/notes/{name}": text for name, text in files.items()})
    folder = await folder_of(workspace, "/services/notes")
    source = await source_of(await declared_in(folder), parse(PYPROJECT), {})
    engine.answers["contents"] = PYPROJECT
    engine.answers["contents"] = lambda chain: patch if "x.patch" in str(chain) else PYPROJECT
    await _patched(folder, source.files, source, "x.patch")
    (chain,) = (chain for chain in engine.chains if chain[-1].name == "sync")
    around = [step.arguments.get("path") for step in chain if step.name in {"withDirectory", "directory"}]
    assert ("services/notes" in around) is inside


@pytest.mark.parametrize(
    ("files", "commit"),
    [
        ({"HEAD": "c0ffee\n"}, "c0ffee"),
        ({"HEAD": "ref: refs/heads/a/b\n", "refs/heads/a/b": "c0ffee\n"}, "c0ffee"),
        ({"HEAD": "ref: refs/heads/main", "packed-refs": "# pack-refs\nbad refs/heads/x\nc0ffee refs/heads/main\n"}, "c0ffee"),
        ({"HEAD": "ref: refs/heads/unborn", "packed-refs": ""}, "unknown"),
    ],
)  # fmt: skip
async def test_an_image_is_labelled_with_the_commit_at_head(engine, workspace, files, commit):
    engine.files |= {f".git/{name}": text for name, text in files.items()}
    engine.answers["exists"] = lambda chain: chain[-1].arguments["path"] in engine.files or ".git" not in str(chain)
    await (await Slipway().image(workspace)).sync()
    labels = {step.arguments["name"]: step.arguments["value"] for step in engine.steps("withLabel")}
    assert labels["org.opencontainers.image.revision"] == commit


async def test_an_image_outside_of_a_repository_has_an_unknown_commit(workspace, monkeypatch):
    monkeypatch.setattr("dagger.File.contents", AsyncMock(side_effect=dagger.QueryError([QueryErrorValue("no such file")], SimpleNamespace(document=""))))  # fmt: skip
    assert await commit_of(workspace) == "unknown"
