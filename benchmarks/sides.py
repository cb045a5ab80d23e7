"""The two who build: `docker build` with a Dockerfile written by hand, and `dagger call image`; both from a copy of the service."""

import argparse
import os
import shlex
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from timing import done

from slipway.graph import bases
from slipway.settings import Images

ROOT = Path(__file__).parents[1]
CALL = ("dagger", "--progress=plain", "call", "-m", str(ROOT))
CHECK = ("dagger", "--progress=plain", "check", "-m", str(ROOT))
# Of the module's functions the one that does least: never cached, one process, which reads pyproject.toml and answers.
FLOOR = (*CALL, "environment", "--name", "floor")
APP = "app/notes.py"  # the file that is edited
_TAG = "slipway-benchmark"
_SERVICE = (
    "app",
    "migrations",
    "alembic.ini",
    "pyproject.toml",
    "uv.lock",
    "rehearsal",
    "tests/app",
    "tests/conftest.py",
)


@dataclass(frozen=True)
class Side:
    """Somebody who builds; `forget` throws the whole cache away, `prepare` brings back what no build of the service makes."""

    name: str
    build: tuple[str, ...]
    save: tuple[str, ...]
    forget: tuple[str, ...]
    prepare: tuple[tuple[str, ...], ...]


def docker(images: Images) -> Side:
    """The host's network spares it a bridge for each step, so nothing is held against it."""
    python, uv = bases.python(images), bases.uv(images)
    return Side(
        "docker build",
        build=(
            *("docker", "build", "--network", "host", "--file", str(ROOT / "benchmarks" / "image" / "Dockerfile")),
            *("--build-arg", f"PYTHON={python}", "--build-arg", f"UV={uv}", "--tag", _TAG, "."),
        ),
        save=("docker", "save", _TAG, "--output"),
        forget=("docker", "builder", "prune", "--all", "--force"),
        prepare=(("docker", "pull", "--quiet", python), ("docker", "pull", "--quiet", uv)),
    )


def slipway(images: Images) -> Side:
    """Before a cold build the module is loaded and the bases lie there: the first belongs to the floor, the second to neither."""
    core = ("dagger", "--progress=plain", "core")
    return Side(
        "dagger call image",
        build=(*CALL, "image", "sync"),
        save=(*CALL, "image", "as-tarball", "export", "--path"),
        forget=(*core, "engine", "local-cache", "prune"),
        prepare=(
            FLOOR,
            (*core, "container", "from", "--address", bases.python(images), "rootfs", "sync"),
            (*core, "container", "from", "--address", bases.uv(images), "rootfs", "sync"),
        ),
    )


def images() -> Images:
    """Images for a machine whose images come from elsewhere: SLIPWAY_ENGINE_ARGUMENTS as the tests of the engine know it."""
    parser = argparse.ArgumentParser(prog="SLIPWAY_ENGINE_ARGUMENTS")
    for name in ("python", "uv", "postgres", "registry"):
        parser.add_argument(f"--{name}-image", dest=name)
    return Images(**vars(parser.parse_args(shlex.split(os.environ.get("SLIPWAY_ENGINE_ARGUMENTS", "")))))


@contextmanager
def service(images: Images) -> Iterator[Path]:
    """A copy of the reference service in a repository of its own. `dagger check` takes no arguments, so its settings name the images."""
    with tempfile.TemporaryDirectory(prefix="slipway-benchmark-") as made:
        folder = Path(made)
        for name in _SERVICE:
            (folder / name).parent.mkdir(exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        named = [f'{name} = "{image}"\n' for name, image in vars(images).items() if image]
        with (folder / "pyproject.toml").open("a", encoding="utf-8") as settings:
            settings.write("".join(["\n[tool.slipway.images]\n", *named]))
        subprocess.run(("git", "init", "--quiet", "."), cwd=folder, check=True)
        yield folder


def edit(folder: Path, *names: str) -> None:
    """One line in each file, as no run before this one had it: an engine remembers for weeks."""
    for name in names:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(f"# {uuid.uuid4().hex}\n")


def saved(side: Side, folder: Path, where: Path) -> Path:
    """An archive of what the side has built."""
    path = where / f"{uuid.uuid4().hex}.tar"
    done((*side.save, str(path)), folder)
    return path
