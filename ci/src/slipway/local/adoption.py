"""`slipway init`: the files with which a service adopts slipway, made from the facts that the finder reads.

`init` creates files and adds tables, but replaces nothing. A later run adds one line to its own table: the baseline,
when the gate could not run at first.
"""

import os
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from slipway import settings, toml
from slipway.errors import BadInputError
from slipway.finder.history import committed_head
from slipway.finder.start import MIGRATES
from slipway.finder.survey import find
from slipway.finder.tree import Tree, table_in, tree_at
from slipway.local.guess import is_unset, migrations_in, table_of
from slipway.local.installed import requirement
from slipway.records.adoption import AdoptedFile, Adoption, Drift, FileState
from slipway.records.gate import MAJORS
from slipway.records.survey import DEFAULT, Fact, Obstacle, Subject, Survey
from slipway.settings import OWN_FILE, Migrations, MissingTableError, Settings, SettingsError
from slipway.source.git import UnreadableError, git

_PYPROJECT: Final = "pyproject.toml"
_MIGRATIONS: Final = "[tool.slipway.migrations]"
_HEADING: Final = re.compile(rf"^{re.escape(_MIGRATIONS)}[^\n]*\n", re.MULTILINE)
_CHECKOUT: Final = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
_IMAGE: Final = re.compile(r"""image["']?\s*:\s*["']?([\w./:@-]+)["']?\s*(?:#.*)?$""")
_SERVER: Final = "postgresql://postgres:postgres@localhost:5432/postgres"
_OTHER_CI: Final = (
    r"(?:\.\./)*(?:\.gitlab-ci\.yml|azure-pipelines\.yml|Jenkinsfile|bitbucket-pipelines\.yml|\.circleci/config\.yml)"
)
_ABOUT_BASELINE: Final = """\
-- The schema of the models when this service adopted slipway; it counts the revisions up to then as run.
-- If production's differs, write this file from there: docs/how-to/adopt.md of slipway has the commands.

"""


@dataclass(frozen=True)
class Service:
    """A service before its adoption: its files, and the facts that the finder read in them."""

    folder: Path
    tree: Tree
    survey: Survey

    @property
    def migrations(self) -> Migrations | None:
        """The settings that `init` writes into a new table; None when the service already has a table."""
        return None if self.tree.settings_file() else migrations_in(self.survey)


def surveyed(folder: Path) -> Service:
    tree = tree_at(folder)
    return Service(folder, tree, find(tree))


def propose(service: Service, baseline: str = "", start_after: str | None = None) -> Adoption:
    """Return the proposed adoption of a service, without writing anything.

    - baseline: the text of a baseline, if the service needs one.
    - start_after: the head of the revisions that existed before slipway. With None, the committed files decide.
    """
    tree, survey = service.tree, service.survey
    if start_after is None:
        start_after = committed_head(tree, survey.value(Subject.SCRIPTS), _committed(service.folder))
    obstacles = (*survey.obstacles, *_unusable(service.folder, tree))
    named = survey.value(Subject.BASELINE, f"{survey.value(Subject.SCRIPTS)}/baseline.sql") if baseline else ""
    files = (_table(tree, survey, named, start_after), *_workflow(tree, survey)) if not obstacles else ()
    if named and named not in tree and files[0].state is FileState.PROPOSED:
        files += (AdoptedFile(name=named, state=FileState.PROPOSED, added=_ABOUT_BASELINE + baseline, is_new=True),)
    return Adoption(
        service=survey.value(Subject.NAME),
        facts=(*survey.facts, *(() if survey.fact(Subject.SERVICE) else _assumed(tree, survey))),
        obstacles=obstacles,
        files=files,
        notes=tuple(_notes(survey, files)) if files else (),
    )


def _committed(folder: Path) -> set[str]:
    """Return the files below a folder in git's HEAD, relative to the folder; empty without a commit."""
    try:
        listed = git(folder, ["ls-tree", "-r", "-z", "--name-only", "HEAD"])
        return {os.fsdecode(name) for name in listed.split(b"\0")}
    except UnreadableError:
        raise
    except BadInputError:
        return set()


def _unusable(folder: Path, tree: Tree) -> Iterator[Obstacle]:
    """Yield an obstacle when slipway cannot read the service's settings file, so that adding a table would not help."""
    try:
        settings.load(folder, named=False)
    except MissingTableError as error:
        if OWN_FILE in tree:
            yield Obstacle(what=error.what, next_step="add the table there, or remove the file")
    except SettingsError as error:
        yield Obstacle.of(error)


def _assumed(tree: Tree, survey: Survey) -> Iterator[Fact]:
    """Yield the defaults for subjects on which no file decides."""
    assumed = {
        Subject.PYTHON: ("uv's choice", "no file names a version"),
        Subject.POSTGRES: (Migrations().postgres, "no file names the major in production"),
        Subject.HEALTH_PATH: ("none", "no health check or route found"),
    }
    if not _gets_a_database(tree, survey):
        unread = (
            "no file of the service reads it; name the one that it reads in database-variable, or let it read this one"
        )
        assumed[Subject.DATABASE_VARIABLE] = (Migrations().database_variable, unread)
    for subject, (value, guessed) in assumed.items():
        if survey.fact(subject) is None:
            yield Fact(subject=subject, value=value, place=DEFAULT, guessed=guessed)


def _gets_a_database(tree: Tree, survey: Survey) -> bool:
    """Return whether settings name the database's variable, or a file has its default name, or its parts are variables."""
    variable = Migrations().database_variable.lower()
    named = any("database-variable" in tree.read(name) for name in (OWN_FILE, "pyproject.toml"))
    read = (*tree.sources, *tree.matching(r"(?:.*/)?env\.py"))
    in_parts = any("{" in each for each in survey.values(Subject.VARIABLE))
    return named or in_parts or any(variable in tree.read(name).lower() for name in read)


def _notes(survey: Survey, files: Sequence[AdoptedFile]) -> Iterator[str]:
    left_out = dict.fromkeys(survey.values(Subject.LEFT_OUT))
    if migrating := [each for each in left_out if MIGRATES.match(each)]:
        yield f"the start command also migrates: slipway migrates before the release, and leaves out {' and '.join(migrating)}"
    if elsewhere := [each for each in survey.facts_about(Subject.MIGRATES) if each.value not in left_out]:
        listed = ", ".join(f"{each.place} ({each.value})" for each in elsewhere)
        yield f"slipway migrates before the release; once it deploys, this need not migrate any more: {listed}"
    if others := [each for each in left_out if each not in migrating]:
        yield f"left out of the start command: {' and '.join(others)}; run it in a build step, such as RUN in a Dockerfile"
    if user := survey.fact(Subject.USER):
        yield f"{user.place} begins an image that runs as root, which slipway refuses to release: add a USER below it"
    if not survey.fact(Subject.COMMAND):
        yield (
            "found no ASGI or WSGI application: the gate needs none; for images, releases and rehearsals "
            'add name = "…", command = ["…"] and health-path to [tool.slipway]'
        )
    elif not survey.fact(Subject.HEALTH_PATH):
        yield "name health-path in [tool.slipway], a path that answers 200: `slipway rehearse` and deployments need it"
    if (major := survey.fact(Subject.POSTGRES)) and not _is_supported(major):
        yield (
            f"{major.place} has PostgreSQL {major.value}; the gate runs the revisions on another one, "
            f"because it supports {MAJORS[0]} to {MAJORS[-1]}"
        )
    if not any(".github/workflows/" in file.name for file in files):
        yield "the repository uses another CI: docs/how-to/ci.md of slipway has the lines for GitLab, and for any shell"
    needed, step = requirement()
    if step and any(needed in file.added for file in files):
        yield f"the workflow installs {needed}, because this slipway comes from a folder of this machine: {step}"


def written(folder: Path, adoption: Adoption) -> Adoption:
    """Write the proposed files. Raise BadInputError when one cannot be written."""
    return replace(adoption, files=tuple(_write(folder, file) for file in adoption.files))


def _write(folder: Path, file: AdoptedFile) -> AdoptedFile:
    if file.state is not FileState.PROPOSED:
        return file
    path = folder / file.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = "" if file.is_new else path.read_bytes().decode()
        with path.open("xb" if file.is_new else "r+b") as opened:
            opened.write(_extended(before, file.added).encode())
    except OSError as error:
        raise BadInputError(
            f"{file.name} cannot be written", f"{error.strerror or error}; allow it, and run init again"
        ) from error
    return replace(file, state=FileState.WRITTEN)


def _table(tree: Tree, survey: Survey, baseline: str, start_after: str) -> AdoptedFile:
    """Return the file with the settings: pyproject.toml with the table at its end, or a file of its own.

    The second form is for a service without pyproject.toml, or one that cannot be extended.
    """
    if own := tree.settings_file():
        return _naming(tree, own, baseline) or AdoptedFile(
            name=own, state=FileState.KEPT, reason="it has [tool.slipway]"
        )
    text = tree.read(_PYPROJECT)
    newline = "\r\n" if "\r\n" in text else "\n"
    table = table_of(survey, baseline, start_after)
    added = _join(text, table).replace("\n", newline)
    if _PYPROJECT in tree and _is_extended(text, added):
        return AdoptedFile(name=_PYPROJECT, state=FileState.PROPOSED, added=added)
    return AdoptedFile(name=OWN_FILE, state=FileState.PROPOSED, added=table, is_new=True)


def _naming(tree: Tree, own: str, baseline: str) -> AdoptedFile | None:
    """Return the line that adds a baseline to the service's existing table.

    Return None without a baseline, or when the line does not fit.
    """
    text = tree.read(own)
    lines = f'{_MIGRATIONS}\nbaseline = "{baseline}"\n'
    added = lines if _HEADING.search(text) else _join(text, lines)
    try:
        before, after = toml.loads(text), toml.loads(_extended(text, added))
    except ValueError:  # the table already names a baseline
        return None
    named = table_in(table_in(table_in(after, "tool"), "slipway"), "migrations")
    rest = {key: value for key, value in named.items() if key != "baseline"}
    if not baseline or rest != table_in(table_in(table_in(before, "tool"), "slipway"), "migrations"):
        return None
    return AdoptedFile(name=own, state=FileState.PROPOSED, added=added)


def _extended(text: str, added: str) -> str:
    """Return a text with the added lines. They go below their heading when the text has it, otherwise to the end."""
    heading, _, lines = added.partition("\n")
    match = _HEADING.search(text) if heading == _MIGRATIONS else None
    return text[: match.end()] + lines + text[match.end() :] if match else text + added


def _join(text: str, table: str) -> str:
    """Return a table with the line ends that must come before it at the end of a text."""
    return ("" if not text or text.endswith("\n") else "\n") + ("\n" if text else "") + table


def _is_extended(text: str, added: str) -> bool:
    """Return whether the extended text is TOML whose other values are unchanged."""
    try:
        before, after = toml.loads(text), toml.loads(text + added)
    except ValueError:
        return False
    tools = table_in(after, "tool")
    return {**after, "tool": {key: value for key, value in tools.items() if key != "slipway"}} == {"tool": {}, **before}


def _workflow(tree: Tree, survey: Survey) -> Iterator[AdoptedFile]:
    """Yield the workflow that runs the gate on pull requests, unless the repository uses another CI.

    One workflow tests all services in subfolders. A service at the top of the repository has a workflow of its own.
    """
    folder = posixpath.join(*[".."] * tree.path.count("/"), ".." if tree.path else "", ".github/workflows")
    if next(tree.matching(_OTHER_CI), None) and not any(name.startswith(folder) for name in tree.names):
        return
    name = f"{folder}/slipway{'-services' if tree.path else ''}.yml"
    workflows = (each for each in tree.names if each.startswith(folder))
    running = next((each for each in workflows if _proves(tree.read(each), tree.path)), None)
    if running or name in tree:
        yield AdoptedFile(name=running or name, state=FileState.KEPT, reason="it was there already")
        return
    yield AdoptedFile(
        name=name,
        state=FileState.PROPOSED,
        added=workflow(tree.path, survey.values(Subject.PACKAGE), _image(tree, survey)),
        is_new=True,
    )


def _proves(text: str, path: str) -> bool:
    """Return whether a workflow runs slipway for the service in the folder `path` of the repository."""
    named = rf"--all-services|services\.yml@|source\W+{re.escape(path)}(?![\w/-])" if path else ""
    return "slipway" in text and bool(re.search(named, text))


def _image(tree: Tree, survey: Survey) -> str:
    """Return the Postgres image that the service's files name. A CI runner needs it, because its own Postgres has another major or lacks extensions.

    Return an empty text when no file names an image, or when its major is not supported by the gate.
    """
    fact = survey.fact(Subject.POSTGRES)
    if fact is None or not _is_supported(fact):
        return ""
    line = next((line for place, line in tree.lines(fact.place.rpartition(" line ")[0]) if place == fact.place), "")
    match = _IMAGE.search(line)
    return match[1] if match else f"postgres:{fact.value}"


def _is_supported(major: Fact) -> bool:
    return major.value in map(str, MAJORS)


def workflow(path: str, packages: Sequence[str] = (), image: str = "") -> str:
    """Return a GitHub workflow that runs the gate: for the service at the top, or for all changed services of the repository.

    Leave out Debian packages that have another name on the runner's Ubuntu.
    """
    needed, _ = requirement()
    server = f'image: "{image}", env: {{ POSTGRES_PASSWORD: postgres }}, ports: ["5432:5432"], options: "--health-cmd pg_isready"'
    started = (
        f"    services: {{ postgres: {{ {server} }} }}{'' if '@' in image else ' # zizmor: ignore[unpinned-images] any patch of it'}\n"
        if image
        else ""
    )
    apt = f"echo {' '.join(packages)} | xargs -n1 sudo apt-get install -qqy || true"
    installed = f"      - run: sudo apt-get update -qq; {apt}\n" if packages else ""
    flags = (" --all-services --changed" if path else "") + (f" --database-url {_SERVER}" if image else "")
    return f"""\
name: migrations
on: [pull_request, merge_group]
permissions: {{ contents: read }}
concurrency: {{ group: "migrations-${{{{ github.ref }}}}", cancel-in-progress: true }}
jobs:
  gate:
    runs-on: ubuntu-24.04
    timeout-minutes: 30
{started}    steps:
      - uses: {_CHECKOUT}
        with: {{ fetch-depth: 0, persist-credentials: false }}
{installed}      - run: pipx run --spec {shlex.quote(needed)} slipway gate{flags}
"""


def check(folder: Path) -> Adoption:
    """Return the differences between the settings and the service's other files.

    Raise SettingsError for unusable settings.
    """
    try:
        found = settings.load(folder, named=False)
    except MissingTableError as error:
        raise BadInputError(error.what, "run `slipway init --yes`") from error
    survey = find(tree_at(folder))
    drift = tuple(_drift(found, survey))
    return Adoption(service=found.name, facts=survey.facts, obstacles=survey.obstacles, drift=drift, checked=True)


def _drift(found: Settings, survey: Survey) -> Iterator[Drift]:
    """Yield the settings that contradict a certain fact in another file.

    Guessed facts and unmentioned settings are not compared.
    """
    has = {
        "port": (str(found.port), Subject.PORT),
        "migrations.config": (found.migrations.config, Subject.CONFIG),
        "migrations.postgres": (found.migrations.postgres, Subject.POSTGRES),
        "migrations.database-variable": (found.migrations.database_variable, Subject.DATABASE_VARIABLE),
        "migrations.driver": (found.migrations.driver, Subject.DRIVER),
    }
    has |= {"health-path": (found.health_path, Subject.HEALTH_PATH)} if found.health_path else {}
    started, command = survey.fact(Subject.SERVER), shlex.split(survey.value(Subject.COMMAND))
    if started and not started.guessed and found.command not in {tuple(command), settings.NAMELESS_COMMAND}:
        yield Drift(key="command", has=shlex.join(found.command), found=shlex.join(command), place=started.place)
    for key, (value, subject) in has.items():
        fact = survey.fact(subject)
        # another variable may have the address, too
        is_set = subject is Subject.DATABASE_VARIABLE and fact and fact.value in found.migrations.variables
        if fact and not fact.guessed and fact.value != value and not is_set:
            yield Drift(key=key, has=value, found=fact.value, place=fact.place)
    yield from (_missing(fact) for fact in survey.facts_about(Subject.VARIABLE) if is_unset(fact, found.migrations))


def _missing(fact: Fact) -> Drift:
    name = fact.value.partition("=")[0]
    return Drift(key=f"migrations.variables.{name}", has="nothing", found="a variable of this name", place=fact.place)
