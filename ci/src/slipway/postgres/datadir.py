"""Data directories. initdb runs once per version, and each server gets a copy, in memory if there is enough space.

For root, an unprivileged user owns all files of the server, because Postgres refuses to run as root.
"""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final

from slipway.database_url import stored_password
from slipway.errors import BadInputError
from slipway.postgres.binaries import Binaries

# Settings of a disposable server. Its data is deleted with it, so crash safety is off.
INITDB: Final = ("--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "--wal-segsize=1")
SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "wal_recycle": "off",  # keeps the cached directory small
        "autovacuum": "off",
        "jit": "off",
        "max_connections": "20",
        "max_locks_per_transaction": "512",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
)
NEEDED_BYTES = 512 * 2**20
# A shell that outlives this process. When its input ends without a line, this process was killed.
_GUARD: Final = """\
PATH="$PATH:/usr/bin:/bin"
pid=
file="$1/cluster/data/postmaster.pid"
read -r line || { read -r pid < "$file" && kill -QUIT "$pid"; }
while [ -n "$pid" ] && [ -e "$file" ] && kill -0 "$pid"; do sleep 0.1; done
rm -rf "$1"
"""
_MEMORY = Path("/dev/shm")  # noqa: S108 -- only mkdtemp writes there
_ITERATIONS: Final = 1  # for SCRAM; more would protect a guessable password, and cost 3 ms for each connection
_INITDB = (*INITDB, "--auth=scram-sha-256", "--no-instructions")
_CONFIGURATION = (
    "".join(f"\n{name} = '{value}'" for name, value in {**SETTINGS, "listen_addresses": "127.0.0.1"}.items()) + "\n"
)


@dataclass(frozen=True)
class SystemUser:
    """The operating system's unprivileged user for a server."""

    uid: int
    gid: int

    def process(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` for a process of this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": ()}

    def own(self, folder: Path) -> None:
        """Make the user the owner of a new folder and of the files in it."""
        for path in (folder, *folder.iterdir()):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def user_for_server() -> SystemUser | None:
    """Return the user for the server; None for the current one. Root needs another user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return SystemUser(entry.pw_uid, entry.pw_gid)
    return SystemUser(65534, 65534)


@dataclass(frozen=True, kw_only=True)
class DataDirectory:
    """A data directory for one server."""

    path: Path
    password: str  # the superuser's password
    binaries: Binaries  # binaries that the user can execute
    user: SystemUser | None
    shelf: Path | None = None  # the directory's place in the cache

    def databases(self) -> frozenset[str]:
        """Return the oids of all databases, which name their folders."""
        return frozenset(path.name for path in (self.path / "base").iterdir())


def keep(data: DataDirectory) -> None:
    """Replace the cached directory by this one, whose server has shut down cleanly. Ignore errors of the cache."""
    assert data.shelf is not None
    _store(data.path.parent, data.shelf)


@contextmanager
def prepared(binaries: Binaries, shelf: str | None = None) -> Iterator[DataDirectory]:
    """Create a data directory for the block. Raise BadInputError when there is too little space or initdb fails.

    With a `shelf`, the directory begins as a copy of the one that `keep` stored under that name.
    """
    user = user_for_server()
    with _home() as home:
        if user:
            user.own(home)
        binaries = _within_reach(binaries, home, user)
        template = cache() / f"postgres-{_key(binaries)}.tar"
        kept = _shelf(binaries, shelf) if shelf else None
        if not any(_unpacked(cached, home / "cluster", user) for cached in (kept, template) if cached):
            _initialise(binaries, home / "cluster", user)
            _store(home / "cluster", template)
        password = (home / "cluster/password").read_text(encoding="ascii")
        yield DataDirectory(path=home / "cluster/data", password=password, binaries=binaries, user=user, shelf=kept)


def cache() -> Path:
    """Return the folder for files that slipway can recreate, absolute, because processes run in other folders."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "slipway").absolute()


def place() -> Path:
    """Return the parent folder of data directories: in memory if there is enough space, otherwise the folder for temporary files."""
    in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= NEEDED_BYTES
    return _MEMORY if in_memory else Path(tempfile.gettempdir())


@contextmanager
def _home() -> Iterator[Path]:
    """Make a folder for a server for the block."""
    parent = place()
    if shutil.disk_usage(parent).free < NEEDED_BYTES:
        raise BadInputError(
            f"there is no room for a Postgres server in {parent}",
            f"free {NEEDED_BYTES >> 20} MB there, or name a server with --database-url",
        )
    with guarded_folder(f"slipway-postgres-{os.getpid()}-", parent) as home:
        yield home


@contextmanager
def guarded_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Create a folder for the block. It is deleted even when this process is killed; a server in it is then stopped."""
    home = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", home],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    try:
        yield home
    finally:
        guard.communicate(b"\n")


def _within_reach(binaries: Binaries, home: Path, user: SystemUser | None) -> Binaries:
    """Copy an installation that the unprivileged user cannot reach, for example below a home folder."""
    if user is None or all(folder.stat().st_mode & 0o001 for folder in binaries.directory.resolve().parents):
        return binaries
    parts = (binaries.root, *binaries.libraries)
    around, copy = os.path.commonpath([part.parent for part in parts]), home / "installation"
    for part in parts:
        shutil.copytree(part, copy / part.relative_to(around), symlinks=True, ignore=shutil.ignore_patterns("include"))
    return replace(binaries, directory=copy / binaries.directory.relative_to(around), libraries=())


def _shelf(binaries: Binaries, name: str) -> Path:
    return cache() / f"gate-{_key(binaries)}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.tar"


def _unpacked(cached: Path, cluster: Path, user: SystemUser | None) -> bool:
    """Unpack a cached directory as the server's user. Return whether that succeeded."""
    try:
        with cached.open("rb") as archive:
            cluster.mkdir()
            if user:
                user.own(cluster)
            _run("tar", "-xpf", "-", folder=cluster, user=user, stdin=archive)
        os.utime(cached)  # pruning goes by the time of the last use
    except OSError:
        shutil.rmtree(cluster, ignore_errors=True)
        return False
    return True


def _key(binaries: Binaries) -> str:
    inputs = (binaries.version, binaries.origin, *_INITDB, str(_ITERATIONS), _CONFIGURATION)
    return hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]


def _initialise(binaries: Binaries, cluster: Path, user: SystemUser | None) -> None:
    cluster.mkdir()
    password, stored = secrets.token_urlsafe(24), cluster / "stored-password"
    for file, content in ((cluster / "password", password), (stored, stored_password(password, _ITERATIONS))):
        file.touch(mode=0o600)
        file.write_text(content, encoding="ascii")
    if user:
        user.own(cluster)
    command = [str(binaries.directory / "initdb"), *_INITDB, f"--pwfile={stored}", f"--pgdata={cluster / 'data'}"]
    made = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", **(user.process() if user else {})
    )
    if made.returncode:
        raise BadInputError(f"initdb of PostgreSQL {binaries.version} failed", made.stderr.strip().rpartition("\n")[2])
    stored.unlink()
    with (cluster / "data/postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write(_CONFIGURATION)


def _store(cluster: Path, shelf: Path) -> None:
    """Store a cluster in the cache atomically. A failure only costs the next run half a second.

    The cluster is stored as one file, because unpacking thousands of files takes half as long as copying them.
    """
    with suppress(OSError):
        shelf.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix="making-", dir=shelf.parent, ignore_cleanup_errors=True) as staging:
            made = Path(staging, "made")
            made.touch(mode=0o600)  # the file contains the password
            _run("tar", "-cf", made, ".", folder=cluster)
            made.rename(shelf)


def _run(
    *command: str | Path, folder: Path = Path("/"), user: SystemUser | None = None, stdin: IO[bytes] | None = None
) -> None:
    """Run a program on a data directory, whose thousands of files would take Python ten times as long.

    Raise OSError when it fails.
    """
    identity: dict[str, Any] = user.process() if user else {}
    done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False, cwd=folder, **identity)
    if done.returncode:
        raise OSError(done.stderr)
