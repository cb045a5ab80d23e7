"""A history of migrations: the graph of its revisions, parents first."""

import dis
import hashlib
import itertools
import os
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType
from typing import Any, Final

from alembic.script import Script
from alembic.util import CommandError

from slipway.errors import BadInputError
from slipway.migration.environment import Environment
from slipway.migration.initial_schema import InitialSchema
from slipway.records.gate import Other, Since

Parents = dict[str, tuple[str, ...]]

_REVISION: Final = re.compile(rb"^down_revision\b[^=\n]*=", re.MULTILINE)
_NOT_OURS: Final = {"tests", "test", "docs", "examples", "templates", "node_modules", "site-packages", "__pycache__"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """One revision of the graph."""

    id: str
    down: tuple[str, ...]  # the revisions that it follows directly
    parents: tuple[str, ...]  # `down` and its dependencies
    file: str  # relative to the service's folder
    old: str | None  # why findings in it do not count; None for a new revision
    upgrade_line: int  # the first line of the function `upgrade`; 1 without one
    downgrade_line: int
    keeps_on_upgrade: bool  # whether its upgrade does nothing
    keeps_on_downgrade: bool  # whether its downgrade does nothing or does not exist
    script: Script
    edited: bool = False  # whether the file was released with another content

    @property
    def new(self) -> bool:
        return self.old is None

    @property
    def added(self) -> bool:
        """Whether databases of the previous release have never run the revision.

        An edited revision has been run in another form.
        """
        return self.new and not self.edited

    @property
    def lacks_downgrade(self) -> bool:
        """Whether the function `downgrade` is missing: alembic then ends with an AttributeError and undoes nothing."""
        return not hasattr(self.script.module, "downgrade")

    @property
    def source(self) -> bytes:
        """The content of the revision's file; empty when there is only bytecode."""
        return Path(self.script.path).read_bytes() if self.script.path.endswith(".py") else b""


@dataclass(frozen=True, kw_only=True)
class History:
    """All revisions, parents first."""

    nodes: tuple[Node, ...]
    heads: tuple[str, ...]
    digest: str  # sha256 of the files, and of the baseline
    begun: tuple[str, ...] = ()  # the heads of the revisions that a baseline contains, which are not among the nodes
    broken: tuple[str, ...] = ()  # problems that make the graph unusable
    released: str | None = None  # the git ref with which the files were compared
    ahead: tuple[Other, ...] = ()  # the revisions that `tip` has and this tree lacks
    tip: str = ""
    chosen: str = ""  # words for the choice of new revisions, when the gate made it itself: "those that main lacks"
    gone: tuple[Other, ...] = ()  # revisions of this history that existed at `released` and are not in the tree
    gone_heads: tuple[str, ...] = ()  # the heads of a database that has run all revisions at `released`

    @property
    def is_empty(self) -> bool:
        """Whether no revision has been written yet."""
        return not (self.nodes or self.broken or self.begun)

    @property
    def before_new(self) -> tuple[Node, ...]:
        return tuple(itertools.takewhile(lambda node: not node.new, self.nodes))

    def after(self, heads: tuple[str, ...]) -> "History":
        """Return the history without the revisions that a baseline contains.

        Raise BadInputError when one of `heads` is not in it.
        """
        parents = {node.id: node.parents for node in self.nodes}
        if unknown := [head for head in heads if head not in parents]:
            raise BadInputError(
                f"the baseline is at {', '.join(unknown)}, which is no revision of this history",
                "write the baseline from a database of this service, at a revision that is in the tree",
            )
        run = ancestors(reversed(list(parents.items())), heads)
        return replace(self, nodes=tuple(node for node in self.nodes if node.id not in run), begun=heads)

    def upto(self, heads: Collection[str]) -> set[str]:
        """Return these revisions and their ancestors."""
        return ancestors(((node.id, node.parents) for node in reversed(self.nodes)), heads)


def read(
    environment: Environment, start_after: str | None, since: Since | None = None, initial: InitialSchema | None = None
) -> History:
    """Read the history that alembic finds. Raise BadInputError when `start_after` or `since` is unknown."""
    script = environment.script
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            scripts = list(script.walk_revisions("base", "heads"))[::-1]
            heads = tuple(sorted(set(script.get_heads())))  # alembic lists a duplicate twice
            broken = []
        except CommandError as error:
            scripts, heads, broken = [], (), [str(error)]
        except KeyError as error:  # alembic warns about a missing parent, and then looks it up
            scripts, heads, broken = [], (), [f"Revision {error} is not present"]
    messages = (str(warning.message) for warning in (*environment.warnings, *caught))
    broken += [message for message in messages if message.startswith("Revision ")]
    parents = {item.revision: _parents(environment, item) for item in scripts}
    nodes = tuple(_node(environment, item, parents[item.revision]) for item in scripts)
    problems = tuple(dict.fromkeys(broken))
    past = History(nodes=nodes, heads=heads, digest=_digest(environment, scripts, initial), broken=problems)
    if problems and not nodes:  # findings say why alembic cannot read the history
        return past
    if since is None or (since.by_default is None and _is_revision(parents, since)):
        return replace(past, nodes=_older(nodes, parents, start_after, since))
    compared = _compared(nodes, since)
    gone = () if problems else tuple(_gone(compared, since))
    if since.by_default == "":
        newest = _older(nodes, parents, start_after, None) if start_after else _but_heads(nodes, heads)
        why = f"{since.tip} has all of them" if since.tip else "there is nothing to compare them with"
        return replace(past, nodes=newest, chosen="" if start_after else f"the newest, because {why}")
    if since.by_default and start_after:
        compared = _older(compared, parents, start_after, None)
    ahead = tuple(other for other in since.ahead if other.id not in parents)
    differ = " or has in another form" if any(node.edited for node in compared) else ""
    chosen = f"those that {since.by_default} lacks{differ}" if since.by_default else ""
    past = replace(past, nodes=compared, released=since.name, ahead=ahead, tip=since.tip, chosen=chosen)
    kept = [node.down for node in past.nodes if not node.new]
    followed = {parent for down in (*kept, *(each.down for each in since.changed)) for parent in down}
    return replace(past, gone=gone, gone_heads=tuple(each.id for each in gone if each.id not in followed))


def unread(environment: Environment) -> str:
    """Return a file of the service that looks like a revision although alembic reads none.

    Tests and other histories do not count.
    """
    ours = Path(environment.config.config_file_name or "").absolute().parent
    for place, folders, files in os.walk(environment.folder):
        others = "alembic.ini" in files and not ours.is_relative_to(place)
        kept = () if others or "pyvenv.cfg" in files else folders
        folders[:] = [name for name in kept if name not in _NOT_OURS and not name.startswith(".")]
        for file in (Path(place, name) for name in files if name.endswith(".py") and not others):
            if _REVISION.search(file.read_bytes()):
                return environment.relative(str(file))
    return ""


def _gone(nodes: Sequence[Node], since: Since) -> Iterator[Other]:
    """Yield the released revisions that this tree lacks.

    Those in folders without any of its revisions belong to another history.
    """
    elsewhere = {node.id for node in nodes} | {each.id for each in since.ahead}
    folders = {Path(node.file).parent for node in nodes}
    replaced = all(node.added for node in nodes)
    for each in since.changed:
        if each.id not in elsewhere and (replaced or Path(each.file).parent in folders):
            yield each


def _parents(environment: Environment, script: Script) -> tuple[str, ...]:
    dependencies = (
        dependency.revision
        for name in _several(script.dependencies)
        for dependency in environment.script.get_revisions(name)
        if dependency
    )
    return (*_several(script.down_revision), *dependencies)


def _several(names: str | Iterable[str] | None) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _is_revision(parents: Parents, since: Since) -> bool:
    """Return whether `since` names a revision instead of a git ref. Raise BadInputError when it names neither."""
    matches = _named(parents, since.name)
    if len(matches) != 1 and since.refusal:
        problem = "could be several revisions" if matches else "is no revision of this history"
        raise BadInputError(f"--since {since.name!r} {problem}, and {since.refusal.what}", since.refusal.next_step)
    return len(matches) == 1


def _named(parents: Parents, name: str) -> list[str]:
    """Return the revisions with this name or with this prefix, which alembic also accepts."""
    return [name] if name in parents else [revision for revision in parents if revision.startswith(name)]


def _older(nodes: Iterable[Node], parents: Parents, start_after: str | None, since: Since | None) -> tuple[Node, ...]:
    """Mark the revisions up to `since` or `start_after` as old."""
    name, why = (since.name, f"not newer than {since.name}") if since else (start_after, "older than start-after")
    old = _upto(parents, name) if name else set()
    return _released_first(replace(node, old=node.old or why) if node.id in old else node for node in nodes)


def _compared(nodes: Iterable[Node], since: Since) -> tuple[Node, ...]:
    """Mark the revisions as old whose files are unchanged since the ref."""
    why, edited = f"in {since.by_default or since.name} already", set(since.edited)
    same = set(since.files) - edited
    return _released_first(
        replace(node, old=why if node.file in same else None, edited=node.file in edited) for node in nodes
    )


def _released_first(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Move the revisions that a released database has run to the front, as far as their parents are there."""
    first: set[str] = set()
    ordered = list(nodes)
    for node in ordered:
        if not node.added and first.issuperset(node.parents):
            first.add(node.id)
    return tuple(sorted(ordered, key=lambda node: node.id not in first))


def _but_heads(nodes: Iterable[Node], heads: Collection[str]) -> tuple[Node, ...]:
    """Mark all revisions except the heads as old."""
    older = "older than the newest revision"
    return _released_first(node if node.id in heads else replace(node, old=older) for node in nodes)


def _upto(parents: Parents, start_after: str) -> set[str]:
    matches = _named(parents, start_after)
    if len(matches) != 1:
        problem = "is no revision of this history" if not matches else "could be several revisions"
        raise BadInputError(
            f"start-after = {start_after!r} {problem}",
            f"name one of them, such as the newest, {list(parents)[-1] if parents else 'which does not exist'}",
        )
    return ancestors(reversed(list(parents.items())), matches)


def ancestors(children_first: Iterable[tuple[str, Sequence[str]]], of: Collection[str]) -> set[str]:
    """Return these revisions and their ancestors. The pairs consist of a revision and its parents."""
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
        keeps_on_upgrade=upgrade is None or _does_nothing(upgrade),
        keeps_on_downgrade=downgrade is None or _does_nothing(downgrade),
        script=script,
    )


def _code(module: Any, function: str) -> CodeType | None:
    return getattr(getattr(module, function, None), "__code__", None)


def _does_nothing(code: CodeType) -> bool:
    """Return whether code has no effect, such as `pass` or a docstring: it uses no name and raises nothing."""
    return not code.co_names and all(step.opname != "RAISE_VARARGS" for step in dis.get_instructions(code))


def _digest(environment: Environment, scripts: Sequence[Script], initial: InitialSchema | None) -> str:
    total = hashlib.sha256(initial.digest.encode() if initial else b"")
    for name, path in sorted((environment.relative(script.path), script.path) for script in scripts):
        total.update(name.encode() + b"\0" + Path(path).read_bytes() + b"\0")
    return total.hexdigest()
