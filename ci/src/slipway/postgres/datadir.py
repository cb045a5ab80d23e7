"""A data directory ready to start: initdb runs once for a version, and each server gets a copy, in memory where there is room.

As root everything the server touches belongs to an unprivileged user, because Postgres refuses root.
"""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slipway.errors import BadInputError
from slipway.postgres.binaries import Binaries
from slipway.postgres.disposable import INITDB, SETTINGS

NEEDED_BYTES = 512 * 2**20
_MEMORY = Path("/dev/shm")  # noqa: S108 -- only mkdtemp writes there
_INITDB = (*INITDB, "--auth=scram-sha-256", "--no-instructions")
_CONFIGURATION = (
    "".join(f"\n{name} = '{value}'" for name, value in {**SETTINGS, "listen_addresses": "127.0.0.1"}.items()) + "\n"
)


@dataclass(frozen=True)
class Account:
    """The unprivileged user that a server runs as."""

    uid: int
    gid: int

    def process(self) -> dict[str, Any]:
        """How a process becomes this user, in the words of `subprocess`."""
        return {"user": self.uid, "group": self.gid, "extra_groups": ()}

    def own(self, folder: Path) -> None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_for_server() -> Account | None:
    """Whom the server runs as: nobody else than us, unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    return Account(65534, 65534)


@dataclass(frozen=True, kw_only=True)
class DataDirectory:
    """`path` is the data directory, `password` the superuser's, `binaries` what its user can run, `shelf` where it may be kept."""

    path: Path
    password: str
    binaries: Binaries
    account: Account | None
    shelf: Path | None = None

    def databases(self) -> frozenset[str]:
        """The oids of all databases, as their folders are called."""
        return frozenset(path.name for path in (self.path / "base").iterdir())


def keep(data: DataDirectory) -> None:
    """Put a directory whose server has ended well on its shelf, in the place of what was there; a cache that cannot be written keeps nothing."""
    assert data.shelf is not None
    with suppress(OSError):
        data.shelf.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(
            prefix="making-", dir=data.shelf.parent, ignore_cleanup_errors=True
        ) as staging:
            made, before = Path(staging, "made"), Path(staging, "before")
            _copy(data.path.parent, made)
            with suppress(FileNotFoundError):
                data.shelf.rename(before)
            made.rename(data.shelf)


@contextmanager
def prepared(binaries: Binaries, shelf: str | None = None) -> Iterator[DataDirectory]:
    """A data directory of its own, removed at the end; raises BadInputError when there is no room or initdb fails.

    With a `shelf` it begins with what was kept under that name, see `keep`.
    """
    account = account_for_server()
    home = _make_home()
    try:
        if account:
            account.own(home)
        binaries = _within_reach(binaries, home, account)
        template = cache() / f"postgres-{_key(binaries)}"
        kept = _shelf(binaries, shelf) if shelf else None
        if kept and _copied(kept, home / "cluster"):
            pass
        elif template.is_dir():
            _copy(template, home / "cluster")
        else:
            _initialise(binaries, home / "cluster", account)
            _keep(home / "cluster", template)
        if account:
            account.own(home / "cluster")
        password = (home / "cluster/password").read_text(encoding="ascii")
        yield DataDirectory(
            path=home / "cluster/data", password=password, binaries=binaries, account=account, shelf=kept
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)


def cache() -> Path:
    """Where slipway keeps what it can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "slipway")


def place() -> Path:
    """Where the data of a server lies: in memory where there is room, else among temporary files."""
    in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= NEEDED_BYTES
    return _MEMORY if in_memory else Path(tempfile.gettempdir())


def _make_home() -> Path:
    parent = place()
    if shutil.disk_usage(parent).free < NEEDED_BYTES:
        raise BadInputError(
            f"there is no room for a Postgres server in {parent}",
            f"free {NEEDED_BYTES >> 20} MB there, or name a server with --database-url",
        )
    return Path(tempfile.mkdtemp(prefix=f"slipway-postgres-{os.getpid()}-", dir=parent))


def _within_reach(binaries: Binaries, home: Path, account: Account | None) -> Binaries:
    """An unprivileged user may not reach an installation under somebody's home folder: then it gets a copy."""
    if account is None or all(folder.stat().st_mode & 0o001 for folder in binaries.directory.resolve().parents):
        return binaries
    parts = (binaries.root, *binaries.libraries)
    around, copy = os.path.commonpath([part.parent for part in parts]), home / "installation"
    for part in parts:
        shutil.copytree(part, copy / part.relative_to(around), symlinks=True, ignore=shutil.ignore_patterns("include"))
    return replace(binaries, directory=copy / binaries.directory.relative_to(around), libraries=())


def _shelf(binaries: Binaries, name: str) -> Path:
    return cache() / f"gate-{_key(binaries)}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _copied(kept: Path, cluster: Path) -> bool:
    """Whether there was something, which another run may just be replacing."""
    try:
        _copy(kept, cluster)
    except OSError:
        shutil.rmtree(cluster, ignore_errors=True)
        return False
    return True


def _key(binaries: Binaries) -> str:
    made_of = (binaries.version, binaries.origin, *_INITDB, _CONFIGURATION)
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]


def _initialise(binaries: Binaries, cluster: Path, account: Account | None) -> None:
    cluster.mkdir()
    password = cluster / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24), encoding="ascii")
    if account:
        account.own(cluster)
    command = [str(binaries.directory / "initdb"), *_INITDB, f"--pwfile={password}", f"--pgdata={cluster / 'data'}"]
    made = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", **(account.process() if account else {})
    )
    if made.returncode:
        raise BadInputError(f"initdb of PostgreSQL {binaries.version} failed", made.stderr.strip().rpartition("\n")[2])
    with (cluster / "data/postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(_CONFIGURATION)


def _keep(cluster: Path, template: Path) -> None:
    """Into the cache, whole or not at all; a cache that cannot be written costs the next run half a second, no more."""
    with suppress(OSError):
        template.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix="making-", dir=template.parent) as staging:
            _copy(cluster, Path(staging, "made"))
            Path(staging, "made").rename(template)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    (target / "data").chmod(0o700)
    (target / "password").chmod(0o600)
