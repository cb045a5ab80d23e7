"""A history of migrations as a graph of revisions, in an order in which each can be run."""

import dis
import hashlib
import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType
from typing import Any

from alembic.script import Script
from alembic.util import CommandError

from slipway.errors import BadInputError
from slipway.migration.environment import Environment
from slipway.records.history import Other, Since

Parents = dict[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """One revision of the graph.

    - down: what it follows. parents: that, and what it depends on. old: why its findings are no news, or None.
    - file: relative to the service's folder. upgrade_line, downgrade_line: where the functions begin, or 1.
    - keeps_on_downgrade: its downgrade does nothing at all. edited: it was released, and said something else.
    """

    id: str
    down: tuple[str, ...]
    parents: tuple[str, ...]
    file: str
    old: str | None
    upgrade_line: int
    downgrade_line: int
    keeps_on_downgrade: bool
    script: Script
    edited: bool = False

    @property
    def new(self) -> bool:
        return self.old is None

    @property
    def source(self) -> bytes:
        """The text of its file; nothing when there is only what was compiled of it."""
        return Path(self.script.path).read_bytes() if self.script.path.endswith(".py") else b""


@dataclass(frozen=True, kw_only=True)
class History:
    """All revisions, parents first.

    - digest: the sha256 of their files. broken: why the graph cannot be walked. released: the git ref that they were compared with, or None.
    - ahead: revisions that others have added meanwhile, at `tip`.
    """

    nodes: tuple[Node, ...]
    heads: tuple[str, ...]
    digest: str
    broken: tuple[str, ...] = ()
    released: str | None = None
    ahead: tuple[Other, ...] = ()
    tip: str = ""

    def upto(self, heads: Collection[str]) -> set[str]:
        """These revisions and all that lead to them."""
        return _ancestors(((node.id, node.parents) for node in reversed(self.nodes)), heads)


def read(environment: Environment, start_after: str | None, since: Since | None = None) -> History:
    """The history of an environment; raises BadInputError when `start_after`, or what takes its place, is not in it."""
    script = environment.script
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            scripts = list(script.walk_revisions("base", "heads"))[::-1]
            heads = tuple(sorted(set(script.get_heads())))  # alembic names a duplicate twice
            broken = []
        except CommandError as error:
            scripts, heads, broken = [], (), [str(error)]
        except KeyError as error:  # alembic warns of a missing parent, and then looks it up
            scripts, heads, broken = [], (), [f"Revision {error} is not present"]
    broken += [
        str(warning.message)
        for warning in (*environment.warnings, *caught)
        if str(warning.message).startswith("Revision ")
    ]
    parents = {item.revision: _parents(environment, item) for item in scripts}
    nodes = tuple(_node(environment, item, parents[item.revision]) for item in scripts)
    digest, problems = _digest(environment, scripts), tuple(dict.fromkeys(broken))
    if since is None or _is_revision(parents, since):
        return History(nodes=_older(nodes, parents, start_after, since), heads=heads, digest=digest, broken=problems)
    ahead = tuple(other for other in since.ahead if other.id not in parents)
    return History(
        nodes=_compared(nodes, since),
        heads=heads,
        digest=digest,
        broken=problems,
        released=since.name,
        ahead=ahead,
        tip=since.tip,
    )


def _parents(environment: Environment, script: Script) -> tuple[str, ...]:
    needed = (
        found.revision
        for name in _several(script.dependencies)
        for found in environment.script.get_revisions(name)
        if found
    )
    return (*_several(script.down_revision), *needed)


def _several(names: str | Iterable[str] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _is_revision(parents: Parents, since: Since) -> bool:
    """Whether it names a revision, not a git ref; raises BadInputError when it is neither."""
    matches = _named(parents, since.name)
    if len(matches) != 1 and since.refusal:
        found = "could be several revisions" if matches else "is no revision of this history"
        raise BadInputError(f"--since {since.name!r} {found}, and {since.refusal.what}", since.refusal.next_step)
    return len(matches) == 1


def _named(parents: Parents, name: str) -> list[str]:
    """The revisions of a name, which may be shortened as alembic allows it."""
    return [name] if name in parents else [revision for revision in parents if revision.startswith(name)]


def _older(nodes: Iterable[Node], parents: Parents, start_after: str | None, since: Since | None) -> tuple[Node, ...]:
    """The revisions, of which those up to one are old."""
    name, why = (since.name, f"not newer than {since.name}") if since else (start_after, "older than start-after")
    old = _upto(parents, name) if name else set()
    return tuple(replace(node, old=why) if node.id in old else node for node in nodes)


def _compared(nodes: Iterable[Node], since: Since) -> tuple[Node, ...]:
    """The revisions, of which those are old whose files were there and say the same."""
    files, edited = set(since.files), set(since.edited)
    return tuple(
        replace(
            node,
            old=f"not newer than {since.name}" if node.file in files - edited else None,
            edited=node.file in edited,
        )
        for node in nodes
    )


def _upto(parents: Parents, start_after: str) -> set[str]:
    matches = _named(parents, start_after)
    if len(matches) != 1:
        found = "is no revision of this history" if not matches else "could be several revisions"
        raise BadInputError(
            f"start-after = {start_after!r} {found}",
            f"name one of them, such as the newest, {list(parents)[-1] if parents else 'which does not exist'}",
        )
    return _ancestors(reversed(list(parents.items())), matches)


def _ancestors(children_first: Iterable[tuple[str, Sequence[str]]], of: Collection[str]) -> set[str]:
    wanted = set(of)
    for revision, parents in children_first:
        if revision in wanted:
            wanted.update(parents)
    return wanted


def _node(environment: Environment, script: Script, parents: tuple[str, ...]) -> Node:
    upgrade, downgrade = (_code(script.module, name) for name in ("upgrade", "downgrade"))
    return Node(
        id=script.revision,
        down=_several(script.down_revision),
        parents=parents,
        file=environment.relative(script.path),
        old=None,
        upgrade_line=upgrade.co_firstlineno if upgrade else 1,
        downgrade_line=downgrade.co_firstlineno if downgrade else 1,
        keeps_on_downgrade=downgrade is None or _does_nothing(downgrade),
        script=script,
    )


def _code(module: Any, function: str) -> CodeType | None:
    return getattr(getattr(module, function, None), "__code__", None)


def _does_nothing(code: CodeType) -> bool:
    """Code that names nothing and raises nothing does nothing: pass, a docstring."""
    return not code.co_names and all(step.opname != "RAISE_VARARGS" for step in dis.get_instructions(code))


def _digest(environment: Environment, scripts: Sequence[Script]) -> str:
    total = hashlib.sha256()
    for name, path in sorted((environment.relative(script.path), script.path) for script in scripts):
        total.update(name.encode() + b"\0" + Path(path).read_bytes() + b"\0")
    return total.hexdigest()
