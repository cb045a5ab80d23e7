"""The service's Postgres: its major version, extensions and driver, and the variable with its URL."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from slipway.finder.imports import loaded
from slipway.finder.locks import DRIVERS, brought_by, lock, needed
from slipway.finder.tree import COMPOSE, Tree
from slipway.finder.variables import SHELL_DEFAULT, examples, is_of_another_store
from slipway.records.survey import Fact, Obstacle, Subject

_FILES: Final = (
    COMPOSE
    + r"|(?:\.\./)*\.github/workflows/(?!slipway(?:-services)?\.yml)[^/]+\.ya?ml|(?:\.\./)*\.gitlab-ci\.yml|(?:\.\./)*\.circleci/config\.yml"
)
_IMAGE: Final = re.compile(
    r"""(?:["']?(?:image|name)["']?\s*:|-)\s*["']?(?:[\w.-]+/)*(?:postgres|postgresql|postgis|pgvector|timescaledb(?:-ha)?|postgres-ssl)["']?:(?:latest-|pg)*(?:pg)?(\d{2}|9\.\d)"""
)
# the form of Red Hat's images
_IMAGE_OF_MAJOR: Final = re.compile(r"""image["']?\s*:\s*["']?(?:[\w.-]+/)*postgresql-(\d{2})\b""")
_WITH_EXTENSION: Final = re.compile(r"image[\"']?\s*:\s*[\"']?(?:[\w.-]+/)*(postgis|timescaledb)(?:-ha)?:")
_EXTENSION: Final = re.compile(
    r"""CREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?\\?["']?(?!IF\b)([\w-]+)""", re.IGNORECASE
)
_ICU: Final = re.compile(r"""\bprovider\s*=\s*['"]?icu\b""", re.IGNORECASE)  # a collation's provider
_PSYCOPG2: Final = {"psycopg2", "psycopg2-binary"}
_SCHEMES: Final = {"psycopg": "psycopg", "psycopg-binary": "psycopg", "asyncpg": "asyncpg", "pg8000": "pg8000"}
URL: Final = re.compile(r"postgres(?:ql)?(?:\+(\w+))?://")
NAMED: Final = re.compile(
    r"[A-Z0-9_]*(?:POSTGRES|DATABASE|SQLALCHEMY|(?:DB|(?<![A-Z])PG(?:BOUNCER)?)(?=[_\d]|URL|URI|DSN|CONN))[A-Z0-9_]*(?:URL|URI|DSN|CONNECTION_STRING)"
)
_GIVEN: Final = re.compile(r"""[\s-]*["']?([A-Z][A-Z0-9_]*)["']?\s*[:=]\s*["']?postgres(?:ql)?(?:\+\w+)?://""")
_NOT_THE_MAIN_ONE: Final = re.compile(
    r"TEST|REPLICA|READ|ASYNC|SHADOW|DIRECT|(^|_)(DEV|LOCAL|STAGING|DEVELOPMENT)(_|$)"
)
_READ: Final = re.compile(
    rf"""(?:environ(?:\.get)?[\[(]|getenv\(|get_env\(|env(?:\.\w+)?\(|config\()\s*["']({NAMED.pattern})["']|^[ \t]+({NAMED.pattern})[ \t]*:\s*\S""",
    re.MULTILINE,
)


def database(tree: Tree) -> Iterator[Fact]:
    """Yield everything about the service's database."""
    yield from server(tree)
    yield from _url_variable(tree)
    yield from _driver(tree)


def server(tree: Tree) -> Iterator[Fact]:
    """Yield the major version and the extensions."""
    yield from _majors(tree)
    yield from _extensions(tree)


def origin_of_major(tree: Tree) -> str:
    """Return the origin of production's major, as the end of a clause that begins with `which`."""
    settings = tree.settings_file()
    if "postgres" in tree.table(settings, "tool", "slipway", "migrations"):
        return "the settings name"
    if settings:
        return "is the default"
    if fact := next(_majors(tree), None):
        return f"{fact.place} has"
    return "is the default, because no file names one"


def _majors(tree: Tree) -> Iterator[Fact]:
    found = [
        Fact(subject=Subject.POSTGRES, value=match[1], place=place)
        for name in tree.matching(_FILES)
        for place, line in tree.lines(name)
        if (match := _IMAGE.search(SHELL_DEFAULT.sub(r"\1", line)) or _IMAGE_OF_MAJOR.search(line))
    ]
    for fact in found[:1]:
        others = sorted({each.value for each in found} - {fact.value})
        guessed = f"other files have {', '.join(others)}" if others else ""
        yield Fact(subject=Subject.POSTGRES, value=fact.value, place=fact.place, guessed=guessed)


def _extensions(tree: Tree) -> Iterator[Fact]:
    """Yield the extensions that no revision creates, but another file, such as a script that an image runs."""
    seen = set()
    for name in tree.matching(_FILES):
        for place, line in tree.lines(name):
            if (match := _WITH_EXTENSION.search(line)) and match[1] not in seen:
                seen.add(match[1])
                yield Fact(subject=Subject.EXTENSION, value=match[1], place=place)
    for name in (*tree.matching(rf"(?!.*(?:versions|test)).*\.(?:sql|sh)|{_FILES}"), *tree.sources):
        for place, line in tree.lines(name) if "extension" in tree.read(name).lower() else ():
            if (match := _EXTENSION.search(line)) and match[1] not in seen:
                seen.add(match[1])
                yield Fact(subject=Subject.EXTENSION, value=match[1], place=place)


def created_by_migrations(tree: Tree, baseline: str) -> Iterator[str]:
    """Yield the extensions that the service's revisions and its baseline create, and `icu` for a file with an ICU collation."""
    revisions = tree.matching(r"(?!(?:.*/)?(?:tests?|docs?|examples?|benchmarks)/).*/[^/]+\.py")
    for name in (*revisions, baseline):
        text = tree.read(name)
        if name == baseline or "down_revision" in text:
            yield from _EXTENSION.findall(text)
            yield from ("icu",) if _ICU.search(text) else ()


def _url_variable(tree: Tree) -> Iterator[Fact]:
    """Yield the variables with the database's URL, from example files and from the code that reads them."""
    found = [
        Fact(subject=Subject.DATABASE_VARIABLE, value=example.name, place=example.place)
        for example in examples(tree)
        if URL.match(example.value) or (NAMED.fullmatch(example.name) and not example.value.startswith("http"))
    ]
    for name in (*tree.sources, *tree.matching(r"(?:.*/)?env\.py")):
        text = tree.read(name)
        for match in _READ.finditer(text):
            line = text.count("\n", 0, match.start(1) if match[1] else match.start(2)) + 1
            found.append(
                Fact(subject=Subject.DATABASE_VARIABLE, value=match[1] or match[2], place=f"{name} line {line}")
            )
    found = [fact for fact in found if not is_of_another_store(fact.value)] or [*_given_by_compose(tree)]
    env_py = loaded(tree).modules[0]
    found.sort(
        key=lambda fact: (
            bool(_NOT_THE_MAIN_ONE.search(fact.value)),
            fact.value != "DATABASE_URL",
            not fact.place.startswith(f"{env_py} line "),
        )
    )
    for fact in found[:1]:
        others = sorted({each.value for each in found} - {fact.value})
        guessed = f"there is also {', '.join(others[:3])}" if others and fact.value != "DATABASE_URL" else ""
        doubt = "production may have another one" if _NOT_THE_MAIN_ONE.search(fact.value) else ""
        yield replace(fact, guessed=fact.guessed or guessed or doubt)


def _given_by_compose(tree: Tree) -> Iterator[Fact]:
    """Yield the variables whose value in a compose file is an address of Postgres."""
    for name in tree.matching(COMPOSE):
        for place, line in tree.lines(name):
            if match := _GIVEN.match(line):
                guessed = "compose gives it an address of Postgres"
                yield Fact(subject=Subject.DATABASE_VARIABLE, value=match[1], place=place, guessed=guessed)


def _driver(tree: Tree) -> Iterator[Fact]:
    """Yield the scheme of the database's URL, first from an example file, then from the dependencies."""
    having = needed(tree)
    has_psycopg2 = not having.isdisjoint(_PSYCOPG2)
    variable = next(_url_variable(tree), None)
    for example in examples(tree):
        match = URL.match(example.value)
        if match and variable and example.name == variable.value and (match[1] or has_psycopg2):
            scheme = f"postgresql+{match[1]}" if match[1] else "postgresql"
            yield Fact(subject=Subject.DRIVER, value=scheme, place=example.place)
    if having & {*_SCHEMES} == {"asyncpg"} and not has_psycopg2 and (driver := _synchronous(tree)):
        guessed = f"env.py is synchronous, and another package brings {driver}"
        scheme = f"postgresql+{_SCHEMES[driver]}" if driver in _SCHEMES else "postgresql"
        yield Fact(subject=Subject.DRIVER, value=scheme, place=f"the lock: {driver}", guessed=guessed)
    several = {_SCHEMES.get(name, "psycopg2") for name in having & {*_SCHEMES, *_PSYCOPG2}}
    guessed = f"the dependencies have {', '.join(sorted(several))}" if len(several) > 1 else ""
    if has_psycopg2:  # psycopg2 is the driver of a plain postgresql:// URL
        yield Fact(subject=Subject.DRIVER, value="postgresql", place="the dependencies: psycopg2", guessed=guessed)
    for package in sorted(having & {*_SCHEMES}, key=[*_SCHEMES].index):
        scheme = f"postgresql+{_SCHEMES[package]}"
        yield Fact(subject=Subject.DRIVER, value=scheme, place=f"the dependencies: {package}", guessed=guessed)


def _synchronous(tree: Tree) -> str:
    """Return a synchronous driver that is an indirect dependency, when env.py needs one; otherwise an empty text."""
    text = tree.read(loaded(tree).modules[0])
    brought = brought_by(tree, needed(tree)) if text and "async" not in text else frozenset()
    return next((name for name in (*sorted(_PSYCOPG2), *_SCHEMES) if name in brought and name != "asyncpg"), "")


_OTHERS: Final = {
    "aiomysql": "MySQL",
    "pymysql": "MySQL",
    "mysqlclient": "MySQL",
    "asyncmy": "MySQL",
    "cx-oracle": "Oracle",
    "oracledb": "Oracle",
    "pyodbc": "SQL Server",
    "aiosqlite": "SQLite",
}


def other_database(tree: Tree) -> Iterator[Obstacle]:
    """Yield an obstacle when the service uses another database and not Postgres."""
    having = needed(tree)
    other = sorted(name for name in having & {*_OTHERS})
    if other and not having & DRIVERS and not any("postgres" in tree.read(name) for name in tree.sources):
        yield Obstacle(
            what=f"the service uses {_OTHERS[other[0]]} ({other[0]} is among its dependencies), and no driver of Postgres",
            next_step="slipway tests migrations on Postgres only; add psycopg if the service runs on Postgres too",
        )


_OLD_SQLALCHEMY: Final = re.compile(
    r"""^\s*["']?(?:name = ")?sqlalchemy["']?(?:\[[^]]*\])?\s*(?:version\s*=\s*"|==\s*|:\s*\{[^}]*"version":\s*"==)(1\.[0-3]\b[\w.]*)""",
    re.MULTILINE | re.IGNORECASE,
)


def old_sqlalchemy(tree: Tree) -> Iterator[Obstacle]:
    """Yield an obstacle when the lock has a SQLAlchemy that the gate does not support."""
    pinned = lock(tree)
    if pinned and (match := _OLD_SQLALCHEMY.search(tree.read(pinned.value))):
        yield Obstacle(
            what=f"{pinned.value} has SQLAlchemy {match[1]}, and slipway needs 1.4 or newer",
            next_step="update SQLAlchemy in the service first",
        )
