import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.graph import distroless
from slipway.main import FunctionError, Slipway

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    """The interpreter of this run, laid out with an empty environment by the script as in a builder."""
    if shutil.which("ldd") is None:
        pytest.skip("there is no ldd, as in the images that the script is for")
    folder = tmp_path_factory.mktemp("bare")
    root, venv = folder / "root", folder / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to(Path(sys.executable).resolve())
    subprocess.run([sys.executable, "-I", distroless.__file__, root, venv], check=True)
    return root


def inside(root, path):
    """Return a system path under another root."""
    return root / Path(os.path.realpath(path)).relative_to("/")


def test_the_interpreter_and_every_library_that_it_loads_are_there(laid_out):
    interpreter = Path(sys.executable).resolve()
    loaded = subprocess.run(["ldd", interpreter], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"(/\S+) \(0x", loaded)
    assert any("libc.so" in name for name in libraries)
    for path in (interpreter, *libraries):
        there = laid_out / Path(path).parent.resolve().relative_to("/") / Path(path).name
        assert there.is_file()


def test_the_standard_library_is_there_without_what_tests_and_installs(laid_out):
    stdlib = inside(laid_out, os.__file__).parent
    assert (stdlib / "json/__init__.py").is_file()
    assert not [name for name in ("test", "ensurepip", "idlelib") if (stdlib / name).exists()]


def test_there_is_no_shell_and_no_package_manager(laid_out):
    programs = {path.name for folder in ("bin", "usr/bin") for path in laid_out.glob(f"{folder}/*")}
    assert {name for name in programs if not name.startswith("python")} == set()


def test_the_user_has_a_name_and_a_folder_to_write_to(laid_out):
    assert "nonroot:x:65532:65532" in (laid_out / "etc/passwd").read_text()
    assert (laid_out / "tmp").stat().st_mode & 0o7777 == 0o1777


async def test_a_distroless_image_has_no_base_image_and_runs_nothing_while_it_is_built(engine, workspace):
    await (await Slipway(distroless=True, platform="linux/arm64").image(workspace)).sync()
    shipped = next(chain for chain in engine.chains if any(step.name == "withUser" for step in chain))
    names = [step.name for step in shipped]
    assert shipped[0].arguments == {"platform": "linux/arm64"}
    assert not {"from", "withExec"} & set(names)
    bare = engine.chain_of(next(step.arguments["source"] for step in shipped if step.name == "withDirectory"))
    commands = [step.arguments["args"] for step in bare if step.name == "withExec"]
    assert ["python", "-I", "/opt/distroless.py", "/opt/bare", "/opt/venv"] in commands


async def test_a_malformed_platform_is_refused_in_one_sentence(workspace):
    with pytest.raises(
        FunctionError,
        match=r"^--platform: found 'arm64', allowed is a platform of Python's images, such as linux/amd64",
    ):
        await Slipway(platform="arm64").image(workspace)
