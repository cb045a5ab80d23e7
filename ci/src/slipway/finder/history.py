"""Whether the history of revisions begins on a schema that no revision creates."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from slipway.finder.tree import Tree, parsed
from slipway.records.survey import Fact, Subject

_CREATES: Final = re.compile(
    r"create_table|create_all|CreateTable|\.sql\b|create\s+(?:(?:un)?logged\s+)?(?:table|view)\b", re.IGNORECASE
)
_CREATED: Final = re.compile(r"create_table\(\s*['\"](\w+)['\"]")
_REFERS: Final = re.compile(r"""ForeignKey(?:Constraint\(\s*\[[^]]*\],\s*\[)?\(?\s*['"](?:\w+\.)?(\w+)\.\w+['"]""")
_CHANGES: Final = re.compile(
    r"""\.(?:add_column|alter_column|drop_column|drop_table|rename_table|create_index|drop_index|create_foreign_key|create_unique_constraint
    |create_check_constraint|create_primary_key|drop_constraint|batch_alter_table|bulk_insert|update)\(
    |\bALTER\s+TABLE\b|\bUPDATE\s+\w+\s+SET\b|\bINSERT\s+INTO\b|\bDELETE\s+FROM\b""",
    re.VERBOSE,
)


@dataclass(frozen=True, kw_only=True)
class _Revision:
    down: tuple[str, ...]
    file: str


def beginning(tree: Tree, scripts: str) -> Iterator[Fact]:
    """Yield the file for a baseline when the first revision that does anything changes a table, and no earlier one creates any."""
    revisions = dict(_revisions(tree, scripts))
    following = [id_ for id_, revision in revisions.items() if not revision.down]
    while len(following) == 1:
        (here,) = following
        revision = revisions.pop(here)
        text = tree.read(revision.file)
        creates = _CREATES.search(text)
        if match := _foreign(text) if creates else _CHANGES.search(_upgrade(text)):
            place = tree.place_of(revision.file, match[0].partition("\n")[0])
            guessed = "this revision needs a table that no revision creates"
            yield Fact(subject=Subject.BASELINE, value=f"{scripts}/baseline.sql", place=place, guessed=guessed)
            return
        if creates:
            return
        following = [id_ for id_, revision in revisions.items() if here in revision.down]


def _foreign(text: str) -> re.Match[str] | None:
    """Find a reference to a table that the first revision with tables does not create itself."""
    created = set(_CREATED.findall(text))
    return next((match for match in _REFERS.finditer(text) if match[1] not in created), None) if created else None


def _revisions(tree: Tree, scripts: str) -> Iterator[tuple[str, _Revision]]:
    for name in tree.matching(rf"{re.escape(scripts)}/.*\.py"):
        if "down_revision" in tree.read(name):
            values = {
                target.id: node.value
                for node in parsed(tree.read(name)).body
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value
                for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
                if isinstance(target, ast.Name)
            }
            for id_ in _texts(values.get("revision")):
                yield id_, _Revision(down=tuple(_texts(values.get("down_revision"))), file=name)


def _texts(node: ast.expr | None) -> Iterator[str]:
    for each in ast.walk(node) if node else ():
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _upgrade(text: str) -> str:
    body = parsed(text).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    return "\n".join(ast.get_source_segment(text, node) or "" for node in functions)
