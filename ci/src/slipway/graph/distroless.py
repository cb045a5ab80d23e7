"""Lay out a root file system with only the files that a virtual environment needs: `distroless.py ROOT VENV`.

It contains the interpreter, the shared libraries that are loaded, certificates and time zones, but no shell, package
manager or other program. The script runs in the builder, with the service's Python and the standard library.
/var/lib/dpkg/status.d lists the files' packages, because scanners of distroless images look there.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

# Left out of the standard library: tests, tutorials, graphical programs, installers.
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
_LOADED = re.compile(r"(?:=> )?(/\S+) \(0x")  # a line of `ldd`, such as `libz.so.1 => /lib/libz.so.1 (0x…)`


def main(root: Path, venv: Path) -> None:
    """Lay out `root` for the programs in `venv`."""
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
    _list_packages(files, root)
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)


def _interpreters(venv: Path) -> Iterator[Path]:
    """Yield every link from the virtual environment's `python` to the program, and the links on the path."""
    for link in (venv / "bin/python", *(Path(path) for name in ("python", "python3") if (path := shutil.which(name)))):
        while link.is_symlink():
            if venv not in link.parents:
                yield link
            link = link.parent / link.readlink()  # noqa: PLW2901 -- one step along the links


def _libraries(programs: Iterable[Path], venv: Path) -> list[Path]:
    """Return the shared libraries outside of the virtual environment that programs and extension modules load."""
    output = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    found = {Path(path) for path in _LOADED.findall(output)}
    return sorted(path for path in found if venv not in path.parents)


def _link_as_the_system_does(root: Path) -> None:
    """Recreate Debian's links, such as /lib → /usr/lib, because programs refer to their loader through them."""
    for link in (Path(f"/{name}") for name in ("bin", "lib", "lib64", "sbin")):
        if link.is_symlink():
            (root / link.name).symlink_to(link.readlink())
            (root / link.readlink()).mkdir(parents=True, exist_ok=True)


def _copy(file: Path, root: Path) -> None:
    """Copy a file or folder under its own name. For a library that is a link, copy the target."""
    copy = _inside(root, file)
    if copy.exists() or copy.is_symlink():
        return
    if file.is_dir():
        shutil.copytree(file, copy, symlinks=True)
    elif file.is_symlink() and ".so" not in file.name:
        copy.symlink_to(file.readlink())
    else:
        shutil.copy2(file, copy)


def _inside(root: Path, file: Path) -> Path:
    """Return the path of a system file in the new root, and create its folder."""
    copy = root / file.parent.resolve().relative_to("/") / file.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    return copy


def _list_packages(files: Iterable[Path], root: Path) -> None:
    """Write one dpkg status file for each package of `files`. Write none in an image without dpkg."""
    if shutil.which("dpkg-query") is None:
        return
    packages = _packages_of({path for file in files for path in (file, file.resolve())})
    folder = root / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    for name in packages:
        status = subprocess.run(["dpkg-query", "--status", name], capture_output=True, text=True, check=False).stdout
        (folder / name.partition(":")[0]).write_text(status, encoding="utf-8")


def _packages_of(files: Iterable[Path]) -> set[str]:
    command = ["dpkg-query", "--search", *map(str, files)]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return {line.partition(": ")[0] for line in output.splitlines() if not line.startswith("diversion ")}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
