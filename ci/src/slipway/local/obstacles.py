"""Further obstacles to a test of the service. After the first obstacle they are searched, so that one run lists all."""

import ast
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

from slipway import toml
from slipway.errors import BadInputError, Obstacles, ObstaclesError, SlipwayError
from slipway.finder.interpreter import bounds, versions
from slipway.finder.locks import declaration, lock
from slipway.finder.settings_files import named_examples
from slipway.finder.survey import find, refuse
from slipway.finder.tree import Tree, parsed, repository_of, tree_at
from slipway.finder.variables import STAND_IN
from slipway.local.guess import is_unset
from slipway.local.prove import has_alembic, server_binaries
from slipway.records.survey import Subject
from slipway.settings import Migrations
from slipway.source.git import git
from slipway.workload.python import Python

_PLACE: Final = re.compile(r"(\S+\.py) line (\d+) ")  # the beginning of an error in the service's code
# from an error about a missing module of the service
_LACKS: Final = re.compile(r"no file of the service is ([\w.]+);")
# an older package may have that name
_LACKS_A_NAME: Final = re.compile(
    r"^(?!.*no file of the service is).*(?:No module named|cannot import name|module '[\w.]+' has no attribute)"
)
_BUILDS: Final = r"(?:\.\./)*(?:[\w.-]+/){0,2}(?:Makefile|[Jj]ustfile|Taskfile\.ya?ml|[\w.-]*Dockerfile[\w.-]*|[\w.-]+\.(?:sh|ya?ml|toml|mk))"
_READS: Final = re.compile(r"""(?:\benviron(?:\.get)?[(\[]|\bgetenv\()\s*["'](\w+)["']""")


def look_further(obstacles: Obstacles, folder: Path, migrations: Migrations, *, needs_server: bool) -> None:
    """Note the obstacles that the gate would meet later: in the service's files, and missing server binaries.

    Raise BadInputError with the service's folder alone when the folder is within a service.
    """
    tree = tree_at(folder)
    if above := _service_above(folder, tree):
        raise BadInputError(
            f"{folder} is no service: the service is in {above}", f"pass --source {above}, or run there"
        )
    with obstacles.noted():
        refuse(find(tree))
    if needs_server:
        with obstacles.noted():
            server_binaries(tree, migrations)


def _service_above(folder: Path, tree: Tree) -> Path | None:
    """Return the nearest folder above, within the repository, with alembic's settings, for a folder that has none of its own."""
    survey = find(tree)
    if survey.fact(Subject.CONFIG) or survey.fact(Subject.SCRIPTS) or "pyproject.toml" in tree:
        return None
    repository, here = repository_of(folder), folder.resolve()
    above = (each for each in here.parents if each.is_relative_to(repository))
    return next((each for each in above if has_alembic(each, Migrations())), None)


def missing_config(folder: Path, migrations: Migrations) -> BadInputError:
    """Return the error for settings that name a missing settings file of alembic."""
    near = find(tree_at(folder)).value(Subject.CONFIG)
    step = "name alembic's settings file in [tool.slipway.migrations] config"
    return BadInputError(f"there is no {migrations.config} in {folder}", f"{step}; there is {near}" if near else step)


def with_its_causes(
    error: SlipwayError,
    folder: Path,
    migrations: Migrations,
    python: Python,
    missing: Mapping[str, str] = MappingProxyType({}),
) -> SlipwayError:
    """Return an error of the service's code with its probable causes.

    Code stops at its first missing variable, so an error about a variable is returned with all variables that the
    settings lack: those that the finder knows, and the `missing` ones that a run has shown, with stand-ins. Other
    causes are stand-ins that the error quotes or the failing statement reads, settings files that exist only as an
    example, and the version of Python.
    """
    tree = tree_at(folder)
    survey = find(tree)
    causes = [
        *_of_older_python(tree, python),
        *_of_no_lock(tree, error, folder, python),
        *_generated(tree, str(error)),
        *_read_there(tree, error, migrations, survey.value(Subject.SCRIPTS)),
    ]
    variables = survey.facts_about(Subject.VARIABLE)
    unset = (fact.value.partition("=")[::2] for fact in variables if is_unset(fact, migrations))
    values = {**dict(unset), **missing}
    made_up = [name for name, value in migrations.variables.items() if value == STAND_IN]
    if len(values) > 1 and any(named_in(str(error), name) for name in values):
        places = {fact.value.partition("=")[0]: f" ({fact.place})" for fact in survey.facts_about(Subject.VARIABLE)}
        listed = ", ".join(f"{name}{places.get(name, '')}" for name in values)
        what = f"the settings have no value for variables that the service needs: {listed}"
        added, table = toml.written(values), "[tool.slipway.migrations]"
        to, lines = (f"variables of {table}", added[2:-2]) if migrations.variables else (table, f"variables = {added}")
        causes.append(BadInputError(what, f"add them to {to}, with better values if you know some: {lines}"))
    elif made_up and repr(STAND_IN) in str(error):
        what = f"the code may not know the stand-in {STAND_IN!r}, which the settings have for {', '.join(made_up)}"
        causes.append(BadInputError(what, "give each a value that it knows in [tool.slipway.migrations] variables"))
    elif _PLACE.match(error.what) and (named := [*named_examples(tree)]):
        each = (f"{wanted}, which the repository has only as {example}" for _, wanted, example in named)
        what = f"{named[0][0]} may read {'; or '.join(each)}"
        step = "copy the example to the file's name and fill it in, or set the variable that names the file"
        causes.append(BadInputError(what, f"if that is the cause, {step}"))
    return ObstaclesError([error, *causes]) if causes else error


def named_in(text: str, variable: str) -> bool:
    """Return whether a text names a variable: literally, as a field in small letters with `_`, or as one of pydantic's fields.

    A column or table of an error of Postgres is none.
    """
    field = re.escape(variable.lower()) + (
        r"\b" if "_" in variable else r": (?i:field required|value error|input should)"
    )
    return re.search(rf"\b{re.escape(variable)}\b|(?<![\".])(?<!column )\b{field}", text) is not None


def _of_older_python(tree: Tree, python: Python) -> Iterator[BadInputError]:
    """Yield an obstacle when a file names a newer Python than that of the virtual environment."""
    named = next((fact for fact, _ in versions(tree) if not fact.place.endswith("pyvenv.cfg")), None)
    here = next((each.name.removeprefix("python") for each in (python.folder / "lib").glob("python3.*")), "")
    if named is None or named.guessed or not here:
        return
    allowed = bounds(tree)
    if _minor(here) < _minor(allowed.oldest if allowed else named.value):
        what = f"the environment has Python {here}, and {named.place} names {named.value}"
        yield BadInputError(
            what, f"if that is the cause, pass an environment of Python {named.value} with --python DIR"
        )


def _of_no_lock(tree: Tree, error: SlipwayError, folder: Path, python: Python) -> Iterator[BadInputError]:
    """Yield an obstacle when the service's code lacks a name of a package whose version no file pins."""
    declared = None if lock(tree) else declaration(tree)
    file = declared.value if declared else ""
    if not file or python.made_from != Path(file).name or not _LACKS_A_NAME.search(str(error)):
        return
    if file == "Pipfile" or (file == "pyproject.toml" and not tree.table(file, "project")):
        step = f"run `{'pipenv' if file == 'Pipfile' else 'poetry'} lock`"
    else:
        day = "YYYY-MM-DD"
        with suppress(BadInputError):
            day = git(folder, ["log", "-1", "--format=%cs"]).decode().strip() or day
        other = f"uv pip compile {shlex.quote(file)} -o requirements.txt"
        command = "uv lock" if file == "pyproject.toml" else other
        step = f"lock them as of the last commit, `{command} --exclude-newer {day}`, or as of an earlier day when it worked"
    yield BadInputError(f"nothing pins the dependencies: the newest that {file} allows were installed", step)


def _generated(tree: Tree, error: str) -> Iterator[BadInputError]:
    """Yield the place that mentions a missing module's file, because a build step there may generate the file."""
    file = match[1].replace(".", "/") + ".py" if (match := _LACKS.search(error)) else ""
    lines = (line for name in tree.matching(_BUILDS) if file for line in tree.lines(name))
    if place := next((place for place, line in lines if file in line), ""):
        yield BadInputError(
            f"{place} names {file}",
            "the step that creates it may be there; run that step in slipway's workflow, too",
        )


def _minor(version: str) -> int:
    return int("".join(re.findall(r"^3\.(\d+)", version)) or 0)


def _read_there(tree: Tree, error: SlipwayError, migrations: Migrations, scripts: str) -> Iterator[BadInputError]:
    """Yield the variables that the failing statement and env.py read, without those in the settings or in the error."""
    match, env_py = _PLACE.match(error.what), posixpath.join(scripts, "env.py")
    text, line = (tree.read(match[1]), int(match[2])) if match else ("", 0)
    around = [
        node
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    if match and around:
        statement = ast.get_source_segment(text, max(around, key=lambda node: node.lineno)) or ""
        known = {*migrations.variables, migrations.database_variable, *re.findall(r"\w+", str(error))}
        missing = [name for name in dict.fromkeys(_READS.findall(statement)) if name not in known]
        in_env_py = [name for name in dict.fromkeys(_READS.findall(tree.read(env_py))) if name not in known]
        others = f", and env.py {', '.join(in_env_py)}" if in_env_py and match[1] != env_py else ""
        if missing:
            what = f"{match[0].strip()} reads {', '.join(missing)}{others}, for which the settings have no value"
            yield BadInputError(what, "if that is the cause, add them to [tool.slipway.migrations] variables")
