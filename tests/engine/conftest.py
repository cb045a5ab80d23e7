"""The module on a real engine, called by the Dagger CLI. Without an engine one line says that nothing ran.

SLIPWAY_ENGINE_ARGUMENTS may hold constructor arguments for a machine whose images come from elsewhere, as `--python-image python:3.14-slim`.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

ROOT = Path(__file__).parents[2]


def _why_not() -> str | None:
    if shutil.which("dagger") is None:
        return "there is no dagger on PATH"
    if os.environ.get("_EXPERIMENTAL_DAGGER_RUNNER_HOST"):
        return None
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0:
        return None
    return "there is no Dagger engine: _EXPERIMENTAL_DAGGER_RUNNER_HOST is not set and no Docker answers"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = _why_not()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.slow)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


class Dagger:
    """Calls of the CLI in a repository; outside this one they name the module."""

    def __init__(self, folder: Path = ROOT) -> None:
        self.folder = folder
        self._module = [] if folder == ROOT else ["-m", str(ROOT)]

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = ["dagger", "--progress=plain", *arguments]
        told = os.environ | {"NO_COLOR": "1"} | variables
        return subprocess.run(
            command, cwd=self.folder, env=told, capture_output=True, text=True, check=False, timeout=600
        )

    def call(self, *arguments: str, apply: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        agreed = ["--auto-apply"] if apply else []
        return self(*agreed, "call", *self._module, *self._constructor(), *arguments, **variables)

    def check(self) -> subprocess.CompletedProcess[str]:
        """Run all checks; they take constructor arguments from a file only."""
        settings = (f"SLIPWAY_{flag.replace('-', '')}={image}\n" for flag, image in self.images.items())
        (self.folder / ".env").write_text("".join(settings))
        return self("check", *self._module)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a call that runs until it is interrupted."""
        command = ["dagger", "--silent", "call", *self._module, *self._constructor(), *arguments]
        with subprocess.Popen(command, cwd=self.folder) as process:
            yield process
            process.send_signal(signal.SIGINT)

    @property
    def images(self) -> dict[str, str]:
        """The images of this machine, by flag."""
        return dict(zip(*[iter(self._constructor())] * 2, strict=True))

    def _constructor(self) -> list[str]:
        return shlex.split(os.environ.get("SLIPWAY_ENGINE_ARGUMENTS", ""))


@pytest.fixture
def dagger() -> Dagger:
    return Dagger()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Dagger:
    """Calls from a repository with a service, without slipway."""
    for name in ("app", "migrations", "rehearsal"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("alembic.ini", "pyproject.toml", "uv.lock", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return Dagger(tmp_path)


@pytest.fixture
def ecr() -> Iterator[str]:
    """The address of a simulated account, its registry included, in a process of its own."""
    command = [sys.executable, "-m", "slipway.cli", "simulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        client = boto3.client(
            "ecr", endpoint_url=url, region_name="eu-west-1", aws_access_key_id="simulated", aws_secret_access_key="any"
        )
        client.create_repository(repositoryName="notes", imageTagMutability="IMMUTABLE")
        yield url.removeprefix("http://")
        process.terminate()
