"""How the service is started: command, server and port, as far as its files state them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import dropwhile, pairwise, takewhile
from typing import Final

from slipway.finder.compose import SERVERS, commands_of_compose, of_own_services
from slipway.finder.dockerfile import instructions, words
from slipway.finder.kubernetes import containers, serving
from slipway.finder.tree import COMPOSE, Tree, without_password
from slipway.records.survey import Fact, Subject

_WITH_RUN: Final = {"flask", "litestar", "fastapi"}  # programs that start a server with `run` only
# Programs of the service's own environment that change the server which they start.
_WRAPPERS: Final = {"opentelemetry-instrument", "ddtrace-run", "newrelic-admin"}
_RUNNER: Final = re.compile(r"(?:.*/)?(?:uv|poetry|pipenv|pdm|hatch|rye|python[\d.]*|env|run|exec)|-m|--|\w+=.*")
_SEPARATORS: Final = {"&&", "||", ";", "|", "&"}
_SHELL: Final = re.compile(r"(?:.*/)?(?:ba|da|a)?sh|-\w*c|exec|then|do")  # words before a command in a shell
_ABOUT_PROGRAMS: Final = {"grep", "pgrep", "pkill", "killall", "which", "command", "pip", "ps"}  # do not run one
_TEXT_FOLLOWS: Final = re.compile(r"-\w*c")
_JOINED: Final = re.compile(r"([\w./-]+)(;|&&)([\w./-]*)")  # joined without a space
_OF_NO_EFFECT: Final = {"set", "echo", "sleep", "true", "wait", "exit", "while", "if", "fi", "done"}
MIGRATES: Final = re.compile(
    r"^(?!\s*(?:#|echo|printf)).*\b(?:alembic|flask|alchemy|litestar|python\S*|poetry|pdm|uv)\b.*(?<![-\w])(?:upgrade|migrate)\b"
)
# brackets after the name are a factory's call
TARGET: Final = re.compile(r"(?!python:)([A-Za-z_][\w.]*:[A-Za-z_][\w.]*)(?:\(.*\))?")
_PORT: Final = re.compile(r"(?:.*[:=\[\]])?:?(\d{2,5})")
_IN_AN_IMAGE: Final = re.compile(r"(?:\$\{?\w+\}?)?/.*\.py")
_PUBLISHED: Final = re.compile(r"""\s*-\s*["']?[\w.${}:-]*:(\d{2,5})(?:/tcp)?["']?\s*(?:#.*)?""")
_KEY: Final = re.compile(r"\s*([\w-]+):\s*(?:#.*)?")
_DEVELOPMENT: Final = re.compile(r"dev|test|local|sample|example|override", re.IGNORECASE)
_PLATFORMS: Final = r"heroku\.yml|render\.ya?ml|railway\.(?:json|toml)|app\.ya?ml|fly\.toml|nixpacks\.toml"
_STARTS: Final = re.compile(
    r"""\s*["']?(?:web|app|startCommand|start_command|start|entrypoint|cmd)["']?\s*[:=]\s*["']?(.*?)["']?,?\s*"""
)
_RELEASING: Final = r"(?:[\w-]+/){0,2}(?:(?:pre)?start|release|(?:docker-)?entrypoint|boot|run|migrate|deploy)[\w-]*(?:\.(?:ba)?sh)?|(?:[\w-]+/)?docker-entrypoint\.d/[^/]+"
_SCRIPTS: Final = r"(?:\w+/)?(?:[^/]*\.(?:ba)?sh|(?:docker-)?entrypoint)|(?:\w+/)?(?:supervisord[\w-]*\.conf|justfile|Makefile|manifest\.yml)"
_FOR_DEVELOPERS: Final = re.compile(r"dev|bench|(?:^|/)examples?/|Makefile|justfile")
_GUNICORN: Final = r"(?:[\w-]+/){0,2}gunicorn[\w.-]*\.py"
_NAMED_THERE: Final = re.compile(r"""^wsgi_app\s*=\s*["']([\w.]+:[\w.]+)["']""", re.MULTILINE)
CHECKED: Final = re.compile(
    r"(?:curl|wget|http|urlopen)[^\n]*?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(\d+))?[:\d$\w{}-]*(/[\w/.-]*)"
)
_BIND: Final = re.compile(r"""^bind\s*=\s*f?["'][^"']*:(\d{2,5})["']""", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Start:
    """A command that starts a server, its place, and the other commands there, which do not start it.

    - around: the programs before the server that start it, such as `tini --`. wrapper: those that instrument it.
    """

    place: str
    server: str
    arguments: tuple[str, ...]
    others: Mapping[str, str] = field(default_factory=dict)  # their places
    around: tuple[str, ...] = ()
    wrapper: tuple[str, ...] = ()

    @property
    def guessed(self) -> str:
        reloads = any(word.startswith("--reload") for word in self.arguments)
        return "the command is one for development" if reloads or _FOR_DEVELOPERS.search(self.place) else ""

    @property
    def target(self) -> str:
        return next((match[1] for word in self.arguments if (match := TARGET.fullmatch(word))), "")

    @property
    def words(self) -> tuple[str, ...]:
        """The command as it is written."""
        return (*self.around, *self.wrapper, self.server, *self.arguments)

    @property
    def port(self) -> str:
        for flag, value in zip(self.arguments, (*self.arguments[1:], ""), strict=False):
            name, _, joined = flag.partition("=")
            if name in {"--port", "-p", "--bind", "-b", "--listen", "--http"} and (
                match := _PORT.fullmatch(joined or value)
            ):
                return match[1]
        return ""


def starts(tree: Tree) -> Iterator[Start]:
    """Yield the commands that start a server, the most binding first."""
    for place, command in _commands(tree):
        commands = [*_split(command)]
        for at, each in reversed([*enumerate(commands)]):
            if found := _server(each):
                others = [other for other in (*commands[:at], *commands[at + 1 :]) if other[0] not in _OF_NO_EFFECT]
                before, server = found
                arguments = tuple(_in_tree(tree, word) for word in each[len(before) + 1 :])
                around = tuple(takewhile(lambda word: word.rpartition("/")[2] not in _WRAPPERS, before))
                named = _in_settings(tree, arguments) if server == "gunicorn" else ()
                yield Start(
                    place=place,
                    server=server,
                    arguments=(*arguments, *named),
                    others={**_migrating_lines(tree, place), **dict.fromkeys(map(" ".join, others), place)},
                    around=() if all(map(_RUNNER.fullmatch, around)) else around,
                    wrapper=tuple(_instrumenting(before[len(around) :])),
                )
                break


def _instrumenting(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a program around the server, without a shell, without options whose value is a variable."""
    for word, following in pairwise((*words, "")):
        flag = word.startswith("-") and "=" not in word and "$" in following
        if not (flag or "$" in word or _RUNNER.fullmatch(word) or _SHELL.fullmatch(word)):
            yield word


def migrating(tree: Tree, command: Sequence[str] = ()) -> str:
    """Return the start command, or the line of a script that it runs, that runs migrations; otherwise an empty text.

    Without a command, look at those of the image and of the Procfile.
    """
    for each in [command] if command else _of_production(tree):
        text = " ".join(each)
        if MIGRATES.search(text):
            return without_password(text)
        for name in scripts_of(tree, each):
            if line := next((line for _, line in tree.lines(name) if MIGRATES.search(line.partition("#")[0])), ""):
                return without_password(f"{name}: {line.strip()}")
    return ""


def scripts_of(tree: Tree, command: Sequence[str]) -> Iterator[str]:
    """Yield the scripts of the repository that a command runs."""
    for word in " ".join(command).split():
        script = word.rpartition("/")[2]
        if script.endswith(("sh", "entrypoint")):
            yield from tree.matching(rf"(?:[\w.-]+/)*{re.escape(script)}")


def checks_of_images(tree: Tree) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield the places and addresses in Dockerfiles' HEALTHCHECKs and in the scripts that these run."""
    for each in instructions(tree):
        if each.word == "HEALTHCHECK":
            lines = [(each.place, each.rest)]
            lines += (line for name in scripts_of(tree, (each.rest,)) for line in tree.lines(name))
            yield from ((place, match) for place, line in lines if (match := CHECKED.search(line)))


def _of_production(tree: Tree) -> Iterator[Sequence[str]]:
    yield from (each.command for each in instructions(tree) if each.word in {"CMD", "ENTRYPOINT"})
    yield from ((line,) for _, line in _of_procfile(tree))


def migrations_today(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the places and commands that run migrations today: in Procfile's release process, in manifests, compose files and scripts.

    Leave out those for developers.
    """
    release = [*_of_procfile(tree, "release")]
    yield from ((place, line) for place, line in release if MIGRATES.match(line))
    for name in tree.matching(COMPOSE):
        commands = ((place, " ".join(command)) for place, command in commands_of_compose([*tree.lines(name)]))
        yield from ((place, line) for place, line in commands if MIGRATES.match(line))
    found = filter(None, (each.command() for each in containers(tree)))
    yield from ((place, line) for place, words in found if MIGRATES.match(line := " ".join(words)))
    run = [name for _, line in release for name in scripts_of(tree, (line,))]
    for name in dict.fromkeys((*run, *tree.matching(_RELEASING))):
        yield from ((place, line.strip()) for place, line in tree.lines(name) if MIGRATES.match(line))


def _of_procfile(tree: Tree, process: str = "web") -> Iterator[tuple[str, str]]:
    """Yield the place and the command of a process."""
    for name in tree.matching(r"Procfile"):
        lines = tree.lines(name)
        yield from ((place, line.partition(":")[2].strip()) for place, line in lines if line.startswith(f"{process}:"))


def _split(command: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the commands in one line. The text after a shell's `-c` is read as a command, too."""
    alone = len(command) == 1
    flat = [
        word
        for before, text in zip(("", *command), command, strict=False)
        for word in (words(text) if alone or _TEXT_FOLLOWS.fullmatch(before) else (text,))
    ]
    apart = [part for word in flat for part in _apart(word)]
    while apart:
        each = tuple(takewhile(lambda word: word not in _SEPARATORS, apart))
        del apart[: len(each) + 1]
        if plain := tuple(dropwhile(_SHELL.fullmatch, each)):
            yield plain


def _apart(word: str) -> Sequence[str]:
    match = _JOINED.fullmatch(word)
    return [*filter(None, match.groups())] if match else [word]


def _server(command: Sequence[str]) -> tuple[Sequence[str], str] | None:
    """Return the words before the program that is a server, and its name."""
    if command[0] in _ABOUT_PROGRAMS:
        return None
    for index, word in enumerate(command):
        name = word.rpartition("/")[2]
        if name in SERVERS and (name not in _WITH_RUN or "run" in command[index:]):
            return command[:index], name
    return None


def _in_tree(tree: Tree, word: str) -> str:
    """Return a module's path in the tree for its path in an image, which may begin with a variable."""
    name = re.escape(word.rpartition("/")[2]) if _IN_AN_IMAGE.fullmatch(word) else ""
    return next(tree.matching(rf"(?:[\w-]+/)*{name}"), word) if name else word


def _in_settings(tree: Tree, arguments: Sequence[str]) -> Iterator[str]:
    """Yield the application that gunicorn's settings file names, when the command names none."""
    if not any(map(TARGET.fullmatch, arguments)):
        files = [word.rpartition("/")[2] for word in arguments if word.endswith(".py")]
        for name in tree.matching(_GUNICORN):
            if not files or name.rpartition("/")[2] in files:
                yield from _NAMED_THERE.findall(tree.read(name))


def _migrating_lines(tree: Tree, place: str) -> dict[str, str]:
    """Return the lines of a script that run migrations, with their places.

    The other lines are left out, because a report has no room for them.
    """
    name = place.rpartition(" line ")[0]
    lines = tree.lines(name) if name.endswith(".sh") else ()
    return {line.strip(): at for at, line in lines if at != place and MIGRATES.match(line)}


def _commands(tree: Tree) -> Iterator[tuple[str, tuple[str, ...]]]:
    of_images = [each for each in instructions(tree) if each.word in {"CMD", "ENTRYPOINT"}]
    wrapping = [each for each in of_images if each.word == "ENTRYPOINT" and not _WRAPPERS.isdisjoint(each.command)]
    for each in reversed(of_images):
        before = (entry.command for entry in wrapping if entry.file == each.file and each.word == "CMD")
        yield each.place, (*next(before, ()), *each.command)
    of_processes = [(place, words(line)) for place, line in _of_procfile(tree)]
    for script in dict.fromkeys(name for each in of_images for name in scripts_of(tree, each.command)):
        yield from _of_script(tree, script)
    yield from of_processes
    for name in tree.matching(_PLATFORMS):
        for place, line in tree.lines(name):
            if (match := _STARTS.fullmatch(line)) and any(server in match[1] for server in SERVERS):
                yield place, words(match[1])
    for script in dict.fromkeys(name for _, command in of_processes for name in scripts_of(tree, command)):
        yield from _of_script(tree, script)
    yield from filter(None, (each.command() for each in containers(tree)))
    for name in sorted(tree.matching(COMPOSE), key=_is_for_development):
        yield from commands_of_compose([*tree.lines(name)])
    for name in sorted(tree.matching(_SCRIPTS), key=lambda name: bool(_FOR_DEVELOPERS.search(name))):
        yield from _of_script(tree, name)


def _of_script(tree: Tree, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the commands of a script that may start a server, with their continued lines."""
    lines = [*tree.lines(name)]
    for index, (place, line) in enumerate(lines):
        if not line.lstrip().startswith("#") and any(server in line for server in SERVERS):
            continued = [*takewhile(lambda at: lines[at][1].rstrip().endswith("\\"), range(index, len(lines) - 1))]
            joined = " ".join(lines[at][1].rstrip().removesuffix("\\") for at in (*continued, index + len(continued)))
            yield place, words(joined.partition("command=")[2] or joined)


def starting(tree: Tree) -> Iterator[Fact]:
    """Yield the server, the application and the port in the commands that start the service."""
    found = [*starts(tree)]
    for start in found[:1]:
        yield Fact(subject=Subject.SERVER, value=start.server, place=start.place, guessed=start.guessed)
    for start in found:
        if start.target and start.server != "flask":
            yield Fact(subject=Subject.APPLICATION, value=start.target, place=start.place, guessed=start.guessed)
            break
    yield from _ports(tree, found)


def _ports(tree: Tree, found: Sequence[Start]) -> Iterator[Fact]:
    ports = [_port(start) for start in found if start.port]
    yield from (port for port in ports[:1] if port.place == found[0].place)
    for instruction in instructions(tree):
        if instruction.word == "EXPOSE" and (match := re.match(r"\d+", instruction.rest)):
            yield Fact(subject=Subject.PORT, value=match[0], place=instruction.place)
    for place, check in checks_of_images(tree):
        if check[1]:
            yield Fact(subject=Subject.PORT, value=check[1], place=place)
    for name in tree.matching(_GUNICORN):
        if match := _BIND.search(tree.read(name)):
            yield Fact(subject=Subject.PORT, value=match[1], place=tree.place_of(name, match[0]))
    for place, port in (each for container in serving(tree) for each in container.ports()):
        yield Fact(subject=Subject.PORT, value=port, place=place)
    yield from ports
    yield from _of_pyramid(tree)
    yield from _published(tree)


def _published(tree: Tree) -> Iterator[Fact]:
    """Yield the port inside the container of a compose service that is built from this repository and publishes or checks the port."""
    files = sorted(tree.matching(COMPOSE), key=_is_for_development)
    found = [fact for name in files for fact in _ports_in(of_own_services(tree, name))]
    others = sorted({each.value for each in found} - {each.value for each in found[:1]})
    yield from (replace(each, guessed=f"there is also {', '.join(others)}" if others else "") for each in found[:1])


def _ports_in(lines: Iterable[tuple[str, str]]) -> Iterator[Fact]:
    """Yield the ports in the items below `ports` and `expose`, and in requests to the container itself."""
    key = ""
    for place, line in lines:
        key = _KEY.sub(r"\1", line) if _KEY.fullmatch(line) else key
        published = _PUBLISHED.fullmatch(line) if key in ("ports", "expose") else None
        if (match := published or CHECKED.search(line)) and match[1]:
            yield Fact(subject=Subject.PORT, value=match[1], place=place)


def _is_for_development(name: str) -> bool:
    return bool(_DEVELOPMENT.search(name))


def _port(start: Start) -> Fact:
    return Fact(subject=Subject.PORT, value=start.port, place=start.place, guessed=start.guessed)


def _of_pyramid(tree: Tree) -> Iterator[Fact]:
    for name in tree.matching(r"(?:\w+/)?(?:production|development)\.ini"):
        settings = tree.ini(name)
        text = (
            settings.get("server:main", "port", fallback="") or settings.get("server:main", "listen", fallback="") or ""
        )
        if match := _PORT.fullmatch(text.split()[0] if text.split() else ""):
            guessed = "the file is for development" if "development" in name else ""
            yield Fact(
                subject=Subject.PORT, value=match[1], place=tree.place_of(name, "[server:main]"), guessed=guessed
            )
