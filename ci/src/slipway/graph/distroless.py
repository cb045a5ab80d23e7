"""What a virtual environment needs of the Debian image below it, and nothing else, laid out as a root file system: `distroless.py ROOT VENV`.

That is the interpreter and its library, the shared libraries that both load, certificates, time zones; no shell, no package manager, no other
program. Runs in the builder, on the service's own Python and its standard library. The packages that the files are of stand in
/var/lib/dpkg/status.d, where scanners look for them in images of this kind.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

# Of the standard library: what tests, teaches, draws windows or installs.
_LEFT_OUT = (
    "test",
    "idlelib",
    "tkinter",
    "turtledemo",
    "turtle.py",
    "ensurepip",
    "site-packages",
    "dist-packages",
    "config-*",
)
_SYSTEM = (
    "/etc/debian_version",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/openssl.cnf",
    "/usr/lib/ssl",
    "/usr/share/zoneinfo",
)
_ACCOUNTS = {
    "/etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnonroot:x:65532:\n",
}
_LOADED = re.compile(r"(?:=> )?(/\S+) \(0x")  # of what `ldd` prints: `libz.so.1 => /lib/libz.so.1 (0x…)`


def main(root: Path, venv: Path) -> None:
    """Lay out `root` for the programs of `venv`."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    programs = [Path(sys.executable).resolve()]
    libraries = _libraries([*programs, *(stdlib / "lib-dynload").glob("*.so"), *venv.rglob("*.so*")], venv)
    files = [*_interpreters(venv), *programs, *libraries, *(Path(name) for name in _SYSTEM if Path(name).exists())]
    root.mkdir(parents=True)
    _link_as_the_system_does(root)
    for file in files:
        _copy(file, root)
    shutil.copytree(
        stdlib, _inside(root, stdlib), symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT, "__pycache__")
    )
    for name, text in _ACCOUNTS.items():
        _inside(root, Path(name)).write_text(text, encoding="utf-8")
    _tell_packages(files, root)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


def _interpreters(venv: Path) -> Iterator[Path]:
    """Every link from the virtual environment's `python` to the program, and the names by which people call it."""
    for link in (venv / "bin/python", *(Path(path) for name in ("python", "python3") if (path := shutil.which(name)))):
        while link.is_symlink():
            if venv not in link.parents:
                yield link
            link = link.parent / link.readlink()  # noqa: PLW2901 -- one step along the links


def _libraries(programs: Iterable[Path], venv: Path) -> list[Path]:
    """What the loader finds for programs and extension modules, outside of the virtual environment, whose own lie in it."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    found = {Path(path) for path in _LOADED.findall(said)}
    return sorted(path for path in found if venv not in path.parents)


def _link_as_the_system_does(root: Path) -> None:
    """/lib is a link to /usr/lib in Debian, and programs name their loader by it."""
    for link in (Path(f"/{name}") for name in ("bin", "lib", "lib64", "sbin")):
        if link.is_symlink():
            (root / link.name).symlink_to(link.readlink())
            (root / link.readlink()).mkdir(parents=True, exist_ok=True)


def _copy(file: Path, root: Path) -> None:
    """A file or a folder under its own name; of a library, what its link leads to."""
    there = _inside(root, file)
    if there.exists() or there.is_symlink():
        return
    if file.is_dir():
        shutil.copytree(file, there, symlinks=True)
    elif file.is_symlink() and ".so" not in file.name:
        there.symlink_to(file.readlink())
    else:
        shutil.copy2(file, there)


def _inside(root: Path, file: Path) -> Path:
    """Where a file of the system lies in the new root, its folder made."""
    there = root / file.parent.resolve().relative_to("/") / file.name
    there.parent.mkdir(parents=True, exist_ok=True)
    return there


def _tell_packages(files: Iterable[Path], root: Path) -> None:
    """What dpkg knows of the packages that `files` are of, a file each; nothing in an image without dpkg."""
    if shutil.which("dpkg-query") is None:
        return
    packages = {name for file in files for path in {file, file.resolve()} for name in _packages_of(path)}
    folder = root / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    for name in packages:
        status = subprocess.run(["dpkg-query", "--status", name], capture_output=True, text=True, check=False).stdout
        (folder / name.partition(":")[0]).write_text(status, encoding="utf-8")


def _packages_of(file: Path) -> list[str]:
    said = subprocess.run(["dpkg-query", "--search", str(file)], capture_output=True, text=True, check=False).stdout
    return [line.partition(": ")[0] for line in said.splitlines() if not line.startswith("diversion ")]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
