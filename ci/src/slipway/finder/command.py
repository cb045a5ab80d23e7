"""The command that starts the service in a container, made from its server and its application."""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Final

from slipway.finder.application import ASGI, Application
from slipway.finder.start import Start

_ASGI_PACKAGES: Final = {"fastapi", "starlette", "litestar", "quart"}
_FOR_EVERYONE: Final = "0.0.0.0"  # noqa: S104 -- inside a container
# These flags are removed with their values: the address, which is replaced, and flags for one machine only.
_DROPPED: Final = {
    *("--host", "--port", "--bind", "-b", "--uds", "--fd", "--insecure-bind", "--quic-bind"),
    *("--env-file", "--pid", "-p", "--user", "-u", "--group", "-g"),
}
_SPELLINGS: Final = {"-b": "--bind", "-k": "--worker-class", "-p": "--port"}
_OF_ONE_MACHINE: Final = {"--daemon", "-D", "$@", "$*"}
_VARIABLE: Final = re.compile(r"\$|%\(ENV_")  # variables of a shell or of supervisord
_REDIRECTION: Final = re.compile(r"[12&]?>")


def command(
    start: Start | None, applications: Sequence[Application], packages: frozenset[str], port: str
) -> tuple[str, ...]:
    """Return the words of the start command.

    Return none when no file starts a server and the code defines no application.
    """
    if start and start.server == "litestar" and applications and "--app" not in start.arguments:
        # an image may name the application in LITESTAR_APP
        return ("litestar", "--app", applications[0].target, *_with_port(start.arguments, port))
    # the file in this flag names the application, and perhaps a socket for a proxy on the same machine
    if start and "--paste" in start.arguments:
        return (start.server, *_options(start.arguments), "--bind", f"{_FOR_EVERYONE}:{port}")
    if start and start.server in {"litestar", "fastapi", "pserve", "flask", "uwsgi", "waitress-serve", "daphne"}:
        run = start.server in {"litestar", "fastapi", "flask"}
        return (start.server, *(_with_port(start.arguments, port) if run else start.arguments))
    target = start.target if start else ""
    known = next((each for each in applications if not target or each.target == target), None)
    if not target and known is None:
        return (start.server, *start.arguments) if start else ()
    server = start.server if start else _server(known, packages)
    options = [*_options(start.arguments)] if start else []
    factory = bool(known and known.factory)
    if known is None or known.called:
        wsgi = bool(known and known.wsgi) or "flask" in packages
        asgi = not wsgi and not packages.isdisjoint(_ASGI_PACKAGES)
    else:
        asgi = not known.wsgi and (known.kind in ASGI or factory)
    # a target in the file already has this call
    called = not target and factory and server in {"gunicorn", "hypercorn"}
    named = (target or (known.target if known else "")) + ("()" if called else "")
    return (
        server,
        *_kind(server, options, asgi=asgi, chosen=start is not None),
        *(("--factory",) if factory and server in {"uvicorn", "granian"} and "--factory" not in options else ()),
        *options,
        *(() if target in [word.partition("(")[0] for word in options] else (named,)),
        *_address(server, port),
    )


def is_as_written(command: Sequence[str], start: Start) -> bool:
    """Return whether a command has exactly the words in the file that starts the server; order and spelling of options do not matter."""
    return set(_normalised(command)) == set(_normalised(start.words))


def _normalised(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        flag, equals, value = word.partition("=")
        flag, value = (flag, value) if equals and flag.startswith("-") else (word, "")
        yield _SPELLINGS.get(flag, flag)
        yield from filter(None, [value])


def _with_port(arguments: tuple[str, ...], port: str) -> tuple[str, ...]:
    """Add a program's default port to its command, so that another instance on the machine can use another port."""
    named = any(word.partition("=")[0] in {"--port", "-p"} for word in arguments)
    return arguments if named else (*arguments, "--port", port)


def _server(application: Application | None, packages: frozenset[str]) -> str:
    """Return a server that fits the application's protocol.

    When the protocol is unknown, return a server in the dependencies.
    """
    wsgi = bool(application and application.wsgi)
    certain = wsgi or bool(application and application.kind in ASGI)
    asgi = ("uvicorn", "hypercorn", "granian")
    candidates = ("gunicorn", "granian") if wsgi else asgi if certain else (*asgi, "gunicorn")
    return next((name for name in candidates if name in packages), candidates[0])


def _options(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the words of a start command that are valid in every container: no address, no shell variable, nothing specific to one machine."""
    plain = takewhile(lambda word: not _REDIRECTION.match(word), arguments)
    left = [word for word in plain if word not in _OF_ONE_MACHINE]
    while left:
        word = left.pop(0)
        flag, joined, _ = word.partition("=")
        if word.startswith("-") and not joined and left and (flag in _DROPPED or _VARIABLE.search(left[0])):
            left.pop(0)
        elif flag not in _DROPPED and not _VARIABLE.search(word):
            yield word


def _kind(server: str, options: Sequence[str], *, asgi: bool, chosen: bool) -> tuple[str, ...]:
    """Return the flag with the application's protocol, for servers that need it and options that lack it."""
    flags = {word.partition("=")[0] for word in options}
    if server == "granian" and not chosen:
        return ("--interface", "asgi" if asgi else "wsgi")
    if server == "gunicorn" and asgi and flags.isdisjoint({"-k", "--worker-class"}):
        return ("--worker-class", "uvicorn.workers.UvicornWorker")
    return ()


def _address(server: str, port: str) -> tuple[str, ...]:
    if server in {"uvicorn", "granian"}:
        return ("--host", _FOR_EVERYONE, "--port", port)
    return ("--bind", f"{_FOR_EVERYONE}:{port}")
