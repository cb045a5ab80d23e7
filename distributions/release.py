"""Build the distributions, try them as their users install them, and write the notes of a release.

    python distributions/release.py [--tag v0.1.0] [--beside]

Writes dist/*.whl and notes.md. With --tag the tag must name the version, and the changelog must have its section. With --beside the
light distribution is also resolved beside old and new libraries on every Python that it supports.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
HISTORY = ROOT / "tests/gate/histories/merges"
UV = os.environ.get("UV", "uv")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
OLD = ("fastapi==0.100.0", "starlette==0.27.*", "uvicorn==0.20.*")
BESIDE = (
    (*OLD, "pydantic<2", "sqlalchemy<2"),
    (*OLD, "pydantic>=2", "sqlalchemy>=2"),
    ("fastapi==0.104.1", "anyio<4", "sqlalchemy<2"),
    ("flask<2.3", "werkzeug<2.3", "jinja2<3.1", "sqlalchemy<2"),
)


def main() -> None:
    """Run the steps; the first that fails ends the script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tag", help="the tag of the release")
    parser.add_argument("--beside", action="store_true", help="resolve beside other libraries; takes some minutes")
    asked = parser.parse_args()
    version = version_of((ROOT / "ci/src/slipway/__init__.py").read_text(encoding="utf-8"))
    if asked.tag and asked.tag != f"v{version}":
        sys.exit(f"the tag {asked.tag} does not name the version {version}: correct slipway.__version__ or the tag")
    notes = section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version if asked.tag else "Unreleased")
    if notes is None:
        sys.exit(f"CHANGELOG.md has no section {version}: rename the section Unreleased")
    (ROOT / "notes.md").write_text(notes, encoding="utf-8")
    build()
    if asked.beside:
        for python in PYTHONS:
            for libraries in BESIDE:
                resolve(python, libraries)
    with tempfile.TemporaryDirectory() as folder:
        try_gate(Path(folder))
        try_tool(Path(folder))
    print(f"dist/ has version {version}, notes.md its notes")


def version_of(text: str) -> str:
    """Return the version that the package names."""
    return re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)[0]


def section(changelog: str, version: str) -> str | None:
    """Return the notes below the heading of a version, which may have a date; None without the heading."""
    heading = rf"^## \[?{re.escape(version)}\]?(?: [^\n]*)?\n"
    found = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() + "\n" if found else None


def build() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    for name in ("gate", "cli"):
        run(UV, "build", "--quiet", "--wheel", "--out-dir", DIST, ROOT / "distributions" / name)
    (DIST / ".gitignore").unlink(missing_ok=True)


def wheel(name: str) -> Path:
    (found,) = DIST.glob(f"{name}-*.whl")
    return found


def resolve(python: str, libraries: tuple[str, ...]) -> None:
    """Find versions of everything that a service with these libraries needs to run `pytest --slipway`."""
    wanted = "\n".join((*libraries, "alembic", "pytest", str(wheel("slipway_gate"))))
    run(UV, "pip", "compile", "--quiet", "--python-version", python, "-", input=wanted, stdout=subprocess.DEVNULL)
    print(f"resolved on {python} beside {' '.join(libraries)}", flush=True)


def try_gate(folder: Path) -> None:
    """Install the gate beside old libraries, with the oldest of its own, and prove a history with it."""
    home, service = folder / "gate", folder / "service"
    run(UV, "venv", "--quiet", home)
    oldest = (
        "anyio==3.7.1",
        "jinja2==3.0.0",
        "fastapi==0.104.1",
        "sqlalchemy<2",
        "psycopg2-binary",
        "alembic",
        "pytest",
    )
    run(UV, "pip", "install", "--quiet", "--python", home, f"{wheel('slipway_gate')}[local]", *oldest)
    shutil.copytree(HISTORY, service)
    run(home / "bin/slipway", "gate", "--all-revisions", "--python", home, "--report", folder / "report", cwd=service)
    run(home / "bin/pytest", "--slipway", "--slipway-all-revisions", "-q", cwd=service)
    refused = run(
        home / "bin/slipway", "status", "--environment", "e", cwd=service, check=False, stderr=subprocess.PIPE
    )
    if refused.returncode != 2 or "install slipway-cli" not in refused.stderr:
        sys.exit(f"the gate alone does not name slipway-cli: {refused.stderr}")


def try_tool(folder: Path) -> None:
    """Install the whole as a tool, and run a command that only it has."""
    places = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    run(
        UV,
        "tool",
        "install",
        "--quiet",
        "--find-links",
        DIST,
        f"slipway-cli @ {wheel('slipway_cli').as_uri()}",
        env=places,
    )
    run(folder / "bin/slipway", "--version")
    address = (
        f"slipway-cli @ git+{ROOT.as_uri()}#subdirectory=distributions/cli"  # with an empty cache, as on a new machine
    )
    run(UV, "pip", "compile", "--quiet", "--cache-dir", folder / "new", "-", input=address, stdout=subprocess.DEVNULL)
    run(folder / "bin/slipway", "completion", "bash", stdout=subprocess.DEVNULL)


def run(
    *command: object, env: dict[str, str] | None = None, check: bool = True, **more: object
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(list(map(str, command)), env=os.environ | (env or {}), text=True, check=False, **more)  # type: ignore[call-overload]
    if check and done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return done


if __name__ == "__main__":
    main()
