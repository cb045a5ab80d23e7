"""Both builders: `docker build` of a handwritten Dockerfile, and `dagger call image`."""

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
# The cheapest function of the module: never cached, one process, which only reads pyproject.toml.
FLOOR = (*CALL, "environment", "--name", "floor")
APP = "app/notes.py"  # the edited file
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
    """A builder. `forget` deletes its cache; `prepare` restores the parts that no build makes."""

    name: str
    build: tuple[str, ...]
    save: tuple[str, ...]
    forget: tuple[str, ...]
    prepare: tuple[tuple[str, ...], ...]


def docker(images: Images) -> Side:
    """Return the side of `docker build`; the host's network saves a bridge for each step."""
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
    """Return the side of Dagger.

    Before a cold build it loads the module, which belongs to the floor, and the bases, which belong to no side.
    """
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
    """Return the images for a machine that takes them from elsewhere, from SLIPWAY_ENGINE_ARGUMENTS."""
    parser = argparse.ArgumentParser(prog="SLIPWAY_ENGINE_ARGUMENTS")
    for name in ("python", "uv", "postgres", "registry"):
        parser.add_argument(f"--{name}-image", dest=name)
    return Images(**vars(parser.parse_args(shlex.split(os.environ.get("SLIPWAY_ENGINE_ARGUMENTS", "")))))


@contextmanager
def service(images: Images) -> Iterator[Path]:
    """Copy the reference service into a repository of its own.

    Its settings name the images, because `dagger check` takes no arguments.
    """
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
    """Edit one line in each file as no run before; an engine remembers for weeks."""
    for name in names:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(f"# {uuid.uuid4().hex}\n")


def saved(side: Side, folder: Path, where: Path) -> Path:
    """Return an archive of the image that the side has built."""
    path = where / f"{uuid.uuid4().hex}.tar"
    done((*side.save, str(path)), folder)
    return path
