"""The command that starts the service in a container, made of what was found about its server and its application."""

from collections.abc import Sequence
from typing import Final

from slipway.finder.application import ASGI, Application
from slipway.finder.start import Start

_ASGI_PACKAGES: Final = {"fastapi", "starlette", "litestar", "quart"}
_FOR_EVERYONE: Final = "0.0.0.0"  # noqa: S104 -- inside a container


def command(
    start: Start | None, applications: Sequence[Application], packages: frozenset[str], port: str
) -> tuple[str, ...]:
    """Return the words of the command; empty when neither a file starts a server nor the code defines an application."""
    if start and start.server == "litestar" and applications and "--app" not in start.arguments:
        # An image names it in LITESTAR_APP.
        return ("litestar", "--app", applications[0].target, *_with_port(start.arguments, port))
    if start and "--paste" in start.arguments:  # a file names the application, and maybe a socket for a proxy beside it
        return (start.server, *start.arguments, "--bind", f"{_FOR_EVERYONE}:{port}")
    if start and start.server in {"litestar", "fastapi", "pserve", "flask", "uwsgi", "waitress-serve", "daphne"}:
        run = start.server in {"litestar", "fastapi", "flask"}
        return (start.server, *(_with_port(start.arguments, port) if run else start.arguments))
    target = start.target if start else ""
    known = next((each for each in applications if not target or each.target == target), None)
    if not target and known is None:
        return (start.server, *start.arguments) if start else ()
    factory = bool(known and known.factory)
    server = start.server if start else _server(known, packages)
    line = _of_server(server, target or (known.target if known else ""), port, factory=factory)
    asgi = not known.wsgi and (known.kind in ASGI or factory) if known else not packages.isdisjoint(_ASGI_PACKAGES)
    return (*line[:1], *_worker_class(start, asgi=asgi), *line[1:]) if server == "gunicorn" else line


def _with_port(arguments: tuple[str, ...], port: str) -> tuple[str, ...]:
    """Add the port that a program listens on by default: another instance on the same machine needs another."""
    named = any(word.partition("=")[0] in {"--port", "-p"} for word in arguments)
    return arguments if named else (*arguments, "--port", port)


def _server(application: Application | None, packages: frozenset[str]) -> str:
    """Return the server that fits the application, and if it does not show which do, one of those in the dependencies."""
    wsgi = bool(application and application.wsgi)
    certain = wsgi or bool(application and application.kind in ASGI)
    asgi = ("uvicorn", "hypercorn", "granian")
    candidates = ("gunicorn",) if wsgi else asgi if certain else (*asgi, "gunicorn")
    return next((name for name in candidates if name in packages), candidates[0])


def _worker_class(start: Start | None, *, asgi: bool) -> tuple[str, ...]:
    """Return the flag of gunicorn without which it serves no ASGI application."""
    words = start.arguments if start else ()
    for word, after in zip(words, (*words[1:], ""), strict=False):
        flag, _, joined = word.partition("=")
        if flag in {"-k", "--worker-class"} and "$" not in (joined or after):
            return ("--worker-class", joined or after)
    return ("--worker-class", "uvicorn.workers.UvicornWorker") if asgi else ()


def _of_server(server: str, target: str, port: str, *, factory: bool) -> tuple[str, ...]:
    flag = ("--factory",) if factory else ()
    address = ("--host", _FOR_EVERYONE, "--port", port)
    if server == "uvicorn":
        return ("uvicorn", *flag, target, *address)
    if server == "granian":
        return ("granian", "--interface", "asgi", *address, *flag, target)
    return (server, "--bind", f"{_FOR_EVERYONE}:{port}", f"{target}()" if factory else target)
