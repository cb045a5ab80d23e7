"""The two wheels, as their pyproject.toml describe them; `make distributions` builds and tries them."""

import importlib.metadata
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "ci/src/slipway"
DAGGER = {"main.py", "objects"}  # the module in ci/, which dagger installs from the repository


def pyproject(name):
    return tomllib.loads((ROOT / "distributions" / name / "pyproject.toml").read_text())


def contents(name):
    included = pyproject(name)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    return {Path(place).name for place in included.values()}


def test_each_part_of_the_package_is_in_one_distribution():
    parts = {path.name for path in SOURCE.iterdir()} - {"__pycache__"}
    assert contents("gate") | contents("cli") | DAGGER == parts
    assert not contents("gate") & contents("cli")
    for name in ("gate", "cli"):
        for source, place in pyproject(name)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].items():
            assert source == f"../../ci/src/{place}"


def test_a_room_of_the_gate_supports_the_python_that_its_distribution_promises():
    (targets,) = re.findall(r"\[tool.ruff.per-file-target-version\]\n(.*?)\n\n", (ROOT / "pyproject.toml").read_text(), re.DOTALL)  # fmt: skip
    checked = {word for group in re.findall(r"{(.*?)}", targets) for word in group.split(",")}
    assert {name.removesuffix(".py") for name in contents("gate")} - {"py.typed"} <= checked
    assert pyproject("gate")["project"]["requires-python"] == ">=3.10"


@pytest.mark.slow
def test_the_gate_calls_nothing_that_its_oldest_python_lacks():
    files = [SOURCE / name for name in contents("gate") - {"py.typed"}]
    check = [sys.executable, "-m", "mypy", "--python-version=3.10", "--follow-imports=silent", *files]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_version_has_one_source():
    """The module is not published, so it has none of its own."""
    for name in ("gate", "cli"):
        assert "version" in pyproject(name)["project"]["dynamic"]
        assert pyproject(name)["tool"]["hatch"]["version"] == {"path": "../../ci/src/slipway/__init__.py"}
    assert importlib.metadata.version("slipway") == "0"


ALONE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"boto3", "botocore", "httpx", "rich", "rich_argparse", "shtab", "starlette", "uvicorn"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from importlib import util
found, util.find_spec = util.find_spec, lambda name: None if name in {"rich", "rich_argparse"} else found(name)
from slipway.cli import run
print([run(line.split()) for line in ("explain L01", "explain deploy", "gate --source /nowhere", "deploy --environment e --image i", "completion bash")])
"""


@pytest.mark.slow
def test_the_gate_alone_names_what_is_missing_for_the_other_commands(tmp_path):
    (tmp_path / "slipway").mkdir()
    for name in contents("gate"):
        (tmp_path / "slipway" / name).symlink_to(SOURCE / name)
    done = subprocess.run(
        [sys.executable, "-c", ALONE], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 2, 2, 2]"
    assert done.stderr.splitlines() == [
        "slipway: there is no folder /nowhere: name the service's folder with --source",
        "slipway: slipway-gate comes without the command deploy: install slipway-cli",
        "slipway: slipway-gate comes without the command completion: install slipway-cli",
    ]


def test_the_notes_of_a_release_are_its_section_of_the_changelog():
    section = runpy.run_path(str(ROOT / "distributions/release.py"))["section"]
    changelog = "# Changelog\n\n## Unreleased\n\n## 1.2.0 (2026-12-01)\n\n### Gate\n\n- more\n\n## 1.1.0\n\n- less\n"
    assert section(changelog, "1.2.0") == "### Gate\n\n- more\n"
    assert section(changelog, "1.1.0") == "- less\n"
    assert section(changelog, "1.2") is None
    assert section(changelog, "1.3.0") is None


def test_no_text_tells_to_install_a_package_of_others():
    """`slipway` on the package index is another program."""
    places = [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs/how-to").iterdir(),
        *SOURCE.rglob("*.py"),
    ]
    wrong = re.compile(
        r"slipway\[|(?:pip install|uv add|uvx|pipx (?:install|run)|tool install)(?: -\S+)* \"?slipway(?!-(?:gate|cli)\b)"
    )
    assert [place for place in places if wrong.search(place.read_text())] == []
