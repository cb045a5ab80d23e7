"""Redirect connections that the service's code opens without SQLAlchemy, or in another process, to the gate's database.

SQLAlchemy's events do not see a `creator`, a pool of the project, a driver that a revision calls itself, or a program
that it starts. So the drivers' functions are wrapped when they are imported. Programs inherit variables, and Python
programs wrap their drivers, too (python_startup/sitecustomize.py). This module imports only the standard library,
because such a program may run in another virtual environment.
"""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import wraps
from importlib.machinery import ModuleSpec, PathFinder
from itertools import takewhile
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final
from urllib.parse import quote, urlencode

from slipway.database_url import DRIVERS, PLACE
from slipway.errors import BadInputError

Parameters = dict[str, Any]
Wrap = Callable[..., Any]

_HERE: Final = str(Path(__file__).parent / "python_startup")  # the folder of sitecustomize.py
_VARIABLE: Final = "SLIPWAY_LED"
_URL: Final = re.compile(r"\b(postgres(?:ql)?(?:\+\w+)?)://[^\s'\"]*")
# Variables of libpq that would lead to another server even when a host is set.
_ELSEWHERE: Final = ("PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE", "PGSSLMODE", "PGTARGETSESSIONATTRS")

_CLIENTS: Final = frozenset(
    "psql pg_dump pg_dumpall pg_restore createdb dropdb createuser dropuser vacuumdb reindexdb clusterdb pgbench".split()  # noqa: SIM905 -- a list would be as many lines
)
_ENDS_COMMAND: Final = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>"})
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_NAMES_PLACE: Final = re.compile(r"(?:-(?P<short>[hpd])|--(?P<long>host|port|dbname)(?:=|\Z))(?P<value>.*)", re.DOTALL)
_TAKES_VALUE: Final = re.compile(
    r"-[A-Za-z]*[cfvoLFPRTU]|--(?:command|file|set|variable|output|log-file|pset|username)"
)
_PYTHON: Final = re.compile(r"python[\d.]*")
# Flags with which Python ignores sitecustomize.py, or the variable with its folder.
_ALONE: Final = re.compile(r"-[bBdiOPqRsuvx]*[EIS]\w*")
_CONNINFO: Final = re.compile(r"\b(host|hostaddr|port|dbname|service)\s*=\s*'?([^\s']*)")
_ENV: Final = 9  # the position of `env` among Popen's arguments after the first
_LONG: Final = {"h": "host", "p": "port", "d": "dbname"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A database on a server.

    - security: parameters of libpq such as sslmode.
    - session: settings at the beginning of started programs' sessions, such as their role.
    """

    host: str
    port: int
    user: str
    password: str | None
    database: str
    security: Mapping[str, str]
    session: Mapping[str, str] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, str]:
        """Return the place in the arguments of a Postgres client."""
        return {"host": self.host, "port": str(self.port), "dbname": self.database}

    def parameters(self, driver: str) -> Parameters:
        """Return the place in the parameters of a driver's function."""
        credentials = {"user": self.user, "password": self.password}
        common = {"port": self.port, **{name: value for name, value in credentials.items() if value}}
        if driver in ("psycopg", "psycopg2"):
            # Once psycopg has prepared a statement itself, it sends DEALLOCATE ALL, which drops ours, too.
            prepared = {"prepare_threshold": None} if driver == "psycopg" else {}
            return {"host": self.host, "dbname": self.database, **common, **self.security, **prepared}
        if driver == "pg8000" and self.host.startswith("/"):
            return {"unix_sock": f"{self.host}/.s.PGSQL.{self.port}", "database": self.database, **common}
        encrypted = {"ssl": self.security["sslmode"]} if driver == "asyncpg" and "sslmode" in self.security else {}
        return {"host": self.host, "database": self.database, **common, **encrypted}

    def with_session(self, driver: str, parameters: Parameters) -> Parameters:
        """Return a driver's parameters for a session that begins with our settings."""
        if driver in ("psycopg", "psycopg2"):
            return {**parameters, "options": self.options(parameters.get("options") or os.environ.get("PGOPTIONS", ""))}
        name = "server_settings" if driver == "asyncpg" else "startup_params"
        return {**parameters, name: {**self.session, **(parameters.get(name) or {})}}

    def options(self, own: str) -> str:
        """Return libpq's options for a session that begins with our settings. Its `own` settings take precedence."""
        ours = " ".join(f"-c {name}={value}" for name, value in self.session.items())
        return own if ours in own else f"{ours} {own}".strip()

    @property
    def variables(self) -> dict[str, str]:
        """Return the place in libpq's variables."""
        named = {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user, "PGDATABASE": self.database}
        security = {f"PG{name.upper()}": value for name, value in self.security.items()}
        return {**named, **security, **({"PGPASSWORD": self.password} if self.password else {})}

    def url(self, scheme: str, *, secret: bool) -> str:
        """Return the URL. It contains the password only with `secret`, so that output does not show it."""
        password = f":{quote(self.password, safe='')}" if self.password and secret else ""
        at = f"{scheme}://{quote(self.user, safe='')}{password}@"
        if self.host.startswith("/"):
            return f"{at}/{self.database}?{urlencode({'host': self.host, 'port': self.port})}"
        return f"{at}{self.host}:{self.port}/{self.database}"


class _Process:
    """The state of this process: where connections are redirected, whether functions are wrapped, how many programs it started, and the refused ones."""

    place: Callable[[], Place | None] = staticmethod(lambda: None)
    is_started = False  # whether the service's code, not the gate, started this process
    wrapped = False
    programs = 0
    refused: list[BadInputError] = []  # noqa: RUF012 -- one of a process


@contextmanager
def led_to(place: Place, *, exempt: Callable[[], bool]) -> Iterator[None]:
    """Redirect the connections of this process, and of programs that it starts, to a place.

    Connections of an exempt thread are not redirected.
    Raise BadInputError for a connection that cannot be redirected, and again at the end, because the service's code may
    have caught it.
    """
    _wrap()
    outer, _Process.place = _Process.place, lambda: None if exempt() else place
    changes = {**dict.fromkeys(_ELSEWHERE), **_variables(os.environ, place)}
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _Process.place = outer
        _set(before)
        if _Process.refused:
            first, *_ = _Process.refused
            _Process.refused.clear()
            raise first


def programs_started() -> int:
    """Return how many programs the service's code has started in this process."""
    return _Process.programs


def redirect_from_environment() -> None:
    """Redirect the connections of this process to the database in the gate's variable, if that is set."""
    if text := os.environ.get(_VARIABLE):
        place = Place(**json.loads(text))
        _wrap()
        _Process.place, _Process.is_started = lambda: place, True


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _variables(environment: Mapping[str, str], place: Place) -> dict[str, str]:
    """Return the variables for the database: libpq's, and those whose value is a URL of Postgres."""
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path and path != _HERE]
    urls = {
        name: _redirected_text(value, place, secret=True) for name, value in environment.items() if _URL.match(value)
    }
    redirected = {_VARIABLE: json.dumps(asdict(place))}
    return {**urls, **place.variables, **redirected, "PYTHONPATH": os.pathsep.join((_HERE, *paths))}


def _of_program(environment: Mapping[str, str], place: Place) -> dict[str, str]:
    """Return a program's variables, with those for the database and without those that lead elsewhere.

    The options of its sessions are not in this process's variables, because the gate's own sessions would use them,
    too.
    """
    kept = {name: value for name, value in environment.items() if name not in _ELSEWHERE}
    options = place.options(environment.get("PGOPTIONS", ""))
    return {**kept, **_variables(environment, place), **({"PGOPTIONS": options} if options else {})}


def _redirected_text(text: str, place: Place, *, secret: bool = False) -> str:
    """Replace the URLs of Postgres in a text. Every process on the machine can read arguments, but not variables."""
    return _URL.sub(lambda url: place.url(url[1], secret=secret), text)


# Wrapping


def _wrap() -> None:
    """Wrap the drivers that are imported, and others when they are imported."""
    if _Process.wrapped:
        return
    _Process.wrapped = True
    sys.meta_path.insert(0, _AfterImport())
    for name, wrap in _WRAPS.items():
        if name in sys.modules:
            wrap(sys.modules[name])
    subprocess.Popen.__init__ = _led_start(subprocess.Popen.__init__)  # type: ignore[method-assign]
    os.system = _led_system(os.system)
    os.execve = _led_program(os.execve)
    os.execv = lambda path, arguments: os.execve(path, arguments, os.environ)  # noqa: S606 -- the wrapped one
    os.posix_spawn, os.posix_spawnp = _led_program(os.posix_spawn), _led_program(os.posix_spawnp)


class _AfterImport:
    """A hook that wraps a driver at the end of its import."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        wrap = _WRAPS.get(name)
        spec = PathFinder.find_spec(name, path) if wrap else None
        if wrap and spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_and_wrap(module: ModuleType) -> None:
                execute(module)
                wrap(module)

            spec.loader.exec_module = execute_and_wrap  # type: ignore[method-assign]
        return spec


def _redirected(driver: str, parameters: Parameters) -> Parameters | None:
    """Return a driver's parameters with the gate's database; None while connections are not redirected."""
    place = _Process.place()
    if place is None:
        return None
    redirected = {name: value for name, value in parameters.items() if name not in PLACE} | place.parameters(driver)
    return place.with_session(driver, redirected) if _Process.is_started else redirected


def _wrap_psycopg(psycopg: Any) -> None:
    def wrapped(original: Wrap) -> Wrap:
        @wraps(original)
        def connect(cls: Any, conninfo: str = "", **parameters: Any) -> Any:
            redirected = _redirected("psycopg", {**psycopg.conninfo.conninfo_to_dict(conninfo), **parameters})
            return original(cls, conninfo, **parameters) if redirected is None else original(cls, **redirected)

        return connect

    for kind in (psycopg.Connection, psycopg.AsyncConnection):
        kind.connect = classmethod(wrapped(kind.connect.__func__))
    psycopg.connect = psycopg.Connection.connect
    _wrap_pgconn(psycopg)


def _wrap_pgconn(psycopg: Any) -> None:
    """Redirect connections below psycopg.

    Their sessions begin with our settings, because none of their statements is seen.
    """
    beneath = psycopg.pq.PGconn

    def wrapped(name: str) -> Any:
        def connect(_cls: Any, conninfo: bytes) -> Any:
            original, place = getattr(beneath, name), _Process.place()
            if place is None or sys._getframe(1).f_globals["__name__"].startswith("psycopg."):  # noqa: SLF001 -- the stack
                return original(conninfo)
            given = psycopg.conninfo.conninfo_to_dict(conninfo.decode())
            named = {name: value for name, value in given.items() if name not in PLACE} | place.parameters("psycopg")
            redirected = place.with_session("psycopg", named)
            del redirected["prepare_threshold"]  # this parameter is psycopg's, not libpq's
            return original(psycopg.conninfo.make_conninfo(**redirected).encode())

        return classmethod(connect)

    psycopg.pq.PGconn = type("PGconn", (beneath,), {name: wrapped(name) for name in ("connect", "connect_start")})
    sys.modules[beneath.__module__].PGconn = psycopg.pq.PGconn  # type: ignore[attr-defined]


def _wrap_psycopg2(psycopg2: Any) -> None:
    original = psycopg2.connect

    @wraps(original)
    def connect(dsn: str | None = None, *factories: Any, **parameters: Any) -> Any:
        redirected = _redirected("psycopg2", {**psycopg2.extensions.parse_dsn(dsn or ""), **parameters})
        return (
            original(dsn, *factories, **parameters) if redirected is None else original(None, *factories, **redirected)
        )

    psycopg2.connect = connect


def _wrap_asyncpg(asyncpg: Any) -> None:
    original = asyncpg.connect

    @wraps(original)
    def connect(dsn: str | None = None, **parameters: Any) -> Any:
        redirected = _redirected("asyncpg", parameters)
        return original(dsn, **parameters) if redirected is None else original(**redirected)

    asyncpg.connect = asyncpg.connection.connect = connect


def _wrap_pg8000(pg8000: Any) -> None:
    kind = pg8000.core.CoreConnection
    original = kind.__init__
    signature = inspect.signature(original)

    @wraps(original)
    def initialise(self: Any, *arguments: Any, **parameters: Any) -> None:
        _, *positional = signature.bind_partial(self, *arguments).arguments.items()
        redirected = _redirected("pg8000", {**dict(positional), **parameters})
        if redirected is None:
            original(self, *arguments, **parameters)
        else:
            if "startup_params" not in signature.parameters:  # before pg8000 1.31
                redirected.pop("startup_params", None)
            original(self, **redirected)

    kind.__init__ = initialise


def _wrap_ctypes(ctypes: Any) -> None:
    original = ctypes.CDLL.__init__

    @wraps(original)
    def load(self: Any, name: Any, *arguments: Any, **parameters: Any) -> None:
        if "libpq" in Path(str(name)).name and _Process.place() and not _is_by_psycopg():
            raise _not_redirected(f"loads {name} by ctypes")
        original(self, name, *arguments, **parameters)

    ctypes.CDLL.__init__ = load


def _is_by_psycopg() -> bool:
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 -- the stack
    while frame and not frame.f_globals.get("__name__", "").startswith("psycopg."):
        frame = frame.f_back
    return frame is not None


def _wrap_other(driver: Any) -> None:
    """Refuse the connections of a driver whose parameters are in another form."""
    original = driver.connect

    @wraps(original)
    def connect(*arguments: Any, **parameters: Any) -> Any:
        if _Process.place():
            raise _not_redirected(f"connects by {driver.__name__}")
        return original(*arguments, **parameters)

    driver.connect = connect


def _not_redirected(how: str) -> BadInputError:
    return _refused(
        f"the service's code {how}, whose connections the gate cannot redirect to its database",
        f"let it connect by {', '.join(DRIVERS[:-1])} or {DRIVERS[-1]}",
    )


_OTHERS: Final = ("_pg", "pg._pg", "psycopg2cffi", "adbc_driver_postgresql")


def _leave_unpatched(patches: Any) -> None:
    """Make gevent's or eventlet's patches do nothing. With them the gate's threads would run in turn and wait for each other."""
    for name in dir(patches):
        if name.startswith(("patch_", "monkey_patch")):
            setattr(patches, name, lambda *_, **__: None)


_WRAPS: Final[Mapping[str, Callable[[Any], None]]] = {
    **dict(zip(DRIVERS, (_wrap_psycopg, _wrap_psycopg2, _wrap_asyncpg, _wrap_pg8000), strict=True)),
    "ctypes": _wrap_ctypes,
    **dict.fromkeys(("gevent.monkey", "eventlet.patcher"), _leave_unpatched),
    **dict.fromkeys(_OTHERS, _wrap_other),
}


def _led_start(original: Wrap) -> Wrap:
    @wraps(original)
    def start(self: Any, args: Any, *rest: Any, **parameters: Any) -> None:
        if place := _Process.place():
            _Process.programs += 1
            args = _redirected_arguments(args, place)
            if len(rest) < _ENV:
                own = parameters.get("env")
                parameters["env"] = _of_program(os.environ if own is None else own, place)
        original(self, args, *rest, **parameters)

    return start


def _led_program(original: Wrap) -> Wrap:
    """Wrap a function that starts a program or replaces this process.

    `os.spawn…` and `os.exec…` call these functions, too.
    """

    @wraps(original)
    def start(path: Any, arguments: Any, env: Any, **parameters: Any) -> Any:
        if place := _Process.place():
            _Process.programs += 1
            arguments = _redirected_arguments(arguments, place)
            env = _of_program(os.environ if env is None else env, place)
        return original(path, arguments, env, **parameters)

    return start


def _led_system(original: Wrap) -> Wrap:
    @wraps(original)
    def system(command: Any) -> Any:
        place = _Process.place()
        if place is None:
            return original(command)
        _Process.programs += 1
        command, own = _redirected_arguments(command, place), os.environ.get("PGOPTIONS")
        _set({"PGOPTIONS": place.options(own or "")})
        try:
            return original(command)
        finally:
            _set({"PGOPTIONS": own})

    return system


def _redirected_arguments(arguments: Any, place: Place) -> Any:
    """Replace URLs in a program's arguments. Raise BadInputError when a Postgres client names another place."""
    if isinstance(arguments, str):
        redirected: Any = _redirected_text(arguments, place)
        words = _words(redirected)
    elif isinstance(arguments, (list, tuple)):
        redirected = [_redirected_text(word, place) if isinstance(word, str) else word for word in arguments]
        words = _words(redirected[2]) if _is_shell(redirected) else [os.fsdecode(word) for word in redirected]
    else:
        return arguments
    for number, word in enumerate(words):
        client = Path(word).name
        other = _other_place(client, words[number + 1 :], place) if client in _CLIENTS else ""
        if other:
            raise _refused(
                f"the service's code starts {client} with {other}, which is not the gate's database",
                "let it use the variables PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE, which the gate sets",
            )
        if _PYTHON.fullmatch(client) and (alone := _ALONE.fullmatch(" ".join(words[number + 1 : number + 2]))):
            raise _refused(
                f"the service's code starts {client} {alone[0]}, whose connections the gate cannot redirect to its database",
                f"let it start {client} without {alone[0]}",
            )
    return redirected


def _refused(what: str, next_step: str) -> BadInputError:
    """Return an error, and keep it so that it is raised again at the end."""
    refused = BadInputError(what, next_step)
    _Process.refused.append(refused)
    return refused


def _is_shell(arguments: Sequence[Any]) -> bool:
    return len(arguments) > 2 and Path(os.fsdecode(arguments[0])).name in _SHELLS and arguments[1] == "-c"


def _words(text: Any) -> list[str]:
    try:
        return shlex.split(os.fsdecode(text))
    except ValueError:
        return os.fsdecode(text).split()


def _other_place(client: str, words: Sequence[str], place: Place) -> str:
    """Return how a client's arguments name another server or database than the gate's; otherwise an empty text."""
    rest, databases, others = takewhile(lambda word: word not in _ENDS_COMMAND, words), 0, list[str]()
    for word in rest:
        if match := _NAMES_PLACE.fullmatch(word):
            name, value = match["short"] or match["long"], match["value"] or next(rest, "")
        elif _TAKES_VALUE.fullmatch(word):
            next(rest, None)
            continue
        elif word.startswith("-") or client != "psql" or databases:
            continue
        else:  # psql's first bare argument is the database
            name, value, databases = "dbname", word, 1
        if _URL.match(value):  # already redirected
            continue
        named = _CONNINFO.findall(value) if "=" in value else [(_LONG.get(name, name), value)]
        others += [f"{key}={text}" for key, text in named if place.named.get(key) != text]
    return " ".join(others)
