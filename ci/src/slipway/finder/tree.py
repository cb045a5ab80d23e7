"""Tree: a read-only view of a repository from a service's folder, with the small parsers that all parts of the finder use."""

import ast
import configparser
import functools
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Final

from slipway import toml
from slipway.database_url import LOGIN
from slipway.errors import BadInputError

PRUNED: Final = {"node_modules", "__pycache__", "site-packages", ".git", ".tox", ".nox", ".mypy_cache", "venv"}
_HIDDEN: Final = {".github", ".circleci", ".devcontainer"}  # hidden folders that the finder reads
# Above the service's folder, only files directly in those folders are read, and their folders for containers and CI.
_ABOVE: Final = re.compile(
    r"(?:\.\./)+(?:[^/]+|(?:\.github|\.circleci|\.devcontainer|docker|deploy|compose|dev|k8s|kubernetes|manifests|helm|charts?|openshift)/.*)"
)
COMPOSE: Final = r"(?:\.\./)*(?:(?:docker|deploy|compose|dev|tools/deploy/docker|\.devcontainer)/)?(?:(?:docker|container|podman)-)?compose(?:[.-][\w-]+)*\.ya?ml"
_LARGEST: Final = 2_000_000  # bytes; enough for a long lock file
_MOST: Final = 200_000  # files; a home folder has more, and reading it would take minutes
_NOT_THE_SERVICE: Final = re.compile(
    r"(^|/)(tests?|testing|docs?|docs_src|examples?|[\w-]*scripts|dev|charm|migrations|alembic|versions|benchmarks|tools|templates|\{\{.*)/|(^|/)(test_[^/]*|conftest)\.py$|^(setup|noxfile)\.py$"
)

_BEGINS: Final = re.compile(r"(?!(?:else|elif|except|finally)\b)[^\s#)\]}]")  # the first line of an outermost statement


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """A repository's files by name. Names are relative to the service's folder; those above it begin with `../`.

    `read` returns the text of a file. It returns an empty text when the file is missing, too large or binary.
    """

    names: tuple[str, ...]
    read: Callable[[str], str]
    path: str = ""  # the service's folder, relative to the repository; empty for the repository itself
    folder: str = ""  # the name of the service's folder, without its path

    @classmethod
    def of(cls, files: Mapping[str, str], path: str = "") -> "Tree":
        """Return a tree of texts by name, such as those of a commit."""
        return cls(names=_nearest_first(files), read=lambda name: files.get(name, ""), path=path)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The service's own modules, without tests, migrations and examples."""
        return tuple(name for name in self.matching(r"[^.].*\.py") if not _NOT_THE_SERVICE.search(name))

    @cached_property
    def modules(self) -> dict[str, str]:
        """The files of the service's own modules by dotted name, the nearest of several with the same name."""
        return {module: name for name in reversed(self.sources) if (module := module_of(name, self))}

    def matching(self, pattern: str) -> Iterator[str]:
        """Yield the names that match an expression as a whole, those nearest to the service's folder first."""
        whole = re.compile(pattern).fullmatch
        return (name for name in self.names if whole(name))

    def lines(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the place and the text of each line of a file."""
        for number, line in enumerate(self.read(name).splitlines(), start=1):
            yield f"{name} line {number}", line

    def place_of(self, name: str, text: str) -> str:
        """Return the place of the first line that contains a text; the file's name when none does."""
        return next((place for place, line in self.lines(name) if text in line), name)

    def toml(self, name: str) -> dict[str, Any]:
        """Return the content of a TOML file, which callers must not change.

        Return an empty one when the file is missing or unusable.
        """
        return _toml(self.read(name))

    def table(self, name: str, *keys: str) -> dict[str, Any]:
        """Return a table in a TOML file; empty when there is no such table."""
        return table_in(self.toml(name), *keys)

    def settings_file(self, folder: str = "") -> str:
        """Return the name of the file in a folder with a table [tool.slipway]; empty when there is none."""
        names = (posixpath.join(folder, name) for name in ("slipway.toml", "pyproject.toml"))
        return next((name for name in names if "slipway" in self.table(name, "tool")), "")

    def ini(self, name: str) -> configparser.RawConfigParser:
        """Return the content of an INI file; empty when the file is missing or unusable."""
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
        try:
            parser.read_string(self.read(name))
        except configparser.Error:
            parser.clear()
        return parser


def tree_at(folder: Path) -> Tree:
    """Return the tree of a folder on the disk and the repository around it; raises BadInputError for too large a folder."""
    folder, root = folder.resolve(), repository_of(folder)
    names = {*islice(_named(_walk(folder), folder), _MOST + 1)}
    if len(names) > _MOST:
        raise BadInputError(f"{folder} has more than {_MOST} files", "pass the service's folder with --source")
    if root != folder:
        names |= {name for name in _named(_walk(root), folder) if _ABOVE.fullmatch(name)}

    @functools.cache
    def read(name: str) -> str:
        path = folder / name
        if name not in names or not path.is_file() or path.stat().st_size > _LARGEST:
            return ""
        return path.read_bytes().decode(errors="replace")  # keep the file's own line ends

    path = "" if root == folder else folder.relative_to(root).as_posix()
    return Tree(names=_nearest_first(names), read=read, path=path, folder=folder.name)


def repository_of(folder: Path) -> Path:
    """Return the git repository around a folder; the folder itself outside of a repository."""
    folder = folder.resolve()
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)


@functools.lru_cache(maxsize=64)
def _toml(text: str) -> dict[str, Any]:
    """Parse a TOML text, once: all parts of the finder ask for tables of pyproject.toml."""
    try:
        return toml.loads(text)
    except ValueError:
        return {}


def table_in(document: object, *keys: str) -> dict[str, Any]:
    """Return a table inside a document; empty when there is no such table."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def texts_in(value: object) -> list[str]:
    """Return the texts in a list; nothing for a value that is no list."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _walk(top: Path) -> Iterator[str]:
    """Yield the paths of files. In a virtual environment, yield only the file that names its interpreter."""
    for folder, folders, files in os.walk(top):
        if "pyvenv.cfg" in files:
            folders.clear()
            yield os.path.join(folder, "pyvenv.cfg")  # noqa: PTH118 -- os.walk yields texts
            continue
        folders[:] = [
            name for name in folders if name not in PRUNED and (name[0] != "." or name in (*_HIDDEN, ".venv"))
        ]
        yield from (os.path.join(folder, name) for name in files)  # noqa: PTH118


def _named(paths: Iterable[str], folder: Path) -> Iterator[str]:
    """Yield paths relative to a folder. Paths in the same folder follow each other, so each folder is computed once."""
    place, name = "", ""
    for path in paths:
        before, _, last = path.rpartition("/")
        if before != place:
            place, name = before, os.path.relpath(before, folder)
        yield last if name == "." else f"{name}/{last}"


def _nearest_first(names: "set[str] | Mapping[str, str]") -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (name.startswith("../"), name.count("/"), name)))


def module_of(name: str, tree: Tree) -> str:
    """Return a module's dotted name, which begins at the outermost folder with an __init__.py, otherwise at the top or at src."""
    path = PurePosixPath(name)
    packages = [folder for folder in path.parents if str(folder / "__init__.py") in tree]
    top = packages[-1].parent if packages else PurePosixPath("src" if path.parts[0] == "src" else ".")
    if top.parts and _is_namespace(top.parts[-1], tree):
        top = top.parent
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.lru_cache(maxsize=64)
def _is_namespace(folder: str, tree: Tree) -> bool:
    """Return whether modules import by the name of a folder that has no __init__.py."""
    imported = re.compile(rf"^\s*(?:from|import) {re.escape(folder)}\.", re.MULTILINE)
    return folder != "src" and any(imported.search(tree.read(name)) for name in tree.sources)


@functools.lru_cache(maxsize=4096)
def parsed(text: str) -> ast.Module:
    """Return the syntax tree of a module.

    When it does not parse, for example in the syntax of a newer Python, return the statements that do.
    """
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module(body=[*_readable(text)], type_ignores=[])
    except (ValueError, RecursionError):
        return ast.Module(body=[], type_ignores=[])


def _readable(text: str) -> Iterator[ast.stmt]:
    """Yield the outermost statements that parse on their own, with their original line numbers."""
    lines = text.splitlines(keepends=True)
    begins = [at for at, line in enumerate(lines) if _BEGINS.match(line) and not (at and lines[at - 1][0] == "@")]
    for begin, end in pairwise([*begins, len(lines)]):
        with suppress(SyntaxError, ValueError, RecursionError):
            for statement in ast.parse("".join(lines[begin:end])).body:
                yield ast.increment_lineno(statement, begin)


def is_of_script(node: ast.AST) -> bool:
    """Return whether a statement is `if __name__ == "__main__"`, whose code is not executed on import."""
    return isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)


def called(call: ast.Call) -> str:
    """Return the last name of a called function: `get` for `router.get(…)`."""
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def text_in(node: ast.AST | None) -> str | None:
    """Return a literal text; None for other nodes."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def without_password(text: str) -> str:
    """Return a text whose URLs have neither user nor password."""
    return re.sub(rf"{LOGIN}|://[^/\s]*@", "://", text)
