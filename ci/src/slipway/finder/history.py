"""Whether the history needs tables that no revision creates, and the revisions in its files."""

import ast
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final

from slipway.finder.tree import Tree, parsed
from slipway.records.gate import Other
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


def beginning(tree: Tree, scripts: str) -> Iterator[Fact]:
    """Yield the baseline in the settings, or a file for one, when the first revision that does anything changes a table that no revision created."""
    own = tree.settings_file()
    if named := tree.table(own, "tool", "slipway", "migrations").get("baseline"):
        yield Fact(subject=Subject.BASELINE, value=str(named), place=own)
        return
    revisions = dict(_revisions(tree, scripts))
    following = [id_ for id_, revision in revisions.items() if not revision.down]
    while len(following) == 1:
        (here,) = following
        revision = revisions.pop(here)
        text = tree.read(revision.file)
        creates = _CREATES.search(text)
        if match := _foreign(text) if creates else _CHANGES.search(_upgrade(text)):
            place = tree.place_of(revision.file, match[0].partition("\n")[0])
            guessed = "this revision needs a table that no revision creates; a run that confirms it writes the file"
            yield Fact(subject=Subject.BASELINE, value=f"{scripts}/baseline.sql", place=place, guessed=guessed)
            return
        if creates:
            return
        following = [id_ for id_, revision in revisions.items() if here in revision.down]


def committed_head(tree: Tree, scripts: str, committed: Collection[str]) -> str:
    """Return the head of a history whose revision files are all committed, otherwise an empty text."""
    revisions = dict(_revisions(tree, scripts)).values()
    ends = heads(revisions)
    return ends[0].id if len(ends) == 1 and all(each.file in committed for each in revisions) else ""


def heads(revisions: Collection[Other]) -> list[Other]:
    """Return the revisions that are no other revision's parent."""
    followed = {parent for each in revisions for parent in each.down}
    return [each for each in revisions if each.id not in followed]


def _foreign(text: str) -> re.Match[str] | None:
    """Find a reference to a table that the first revision with tables does not create."""
    created = set(_CREATED.findall(text))
    return next((match for match in _REFERS.finditer(text) if match[1] not in created), None) if created else None


def _revisions(tree: Tree, scripts: str) -> Iterator[tuple[str, Other]]:
    for name in tree.matching(rf"{re.escape(scripts)}/.*\.py"):
        text = tree.read(name)
        if "down_revision" in text and (revision := revision_in(parsed(text), name)):
            yield revision.id, revision


def revision_in(module: ast.Module, file: str) -> Other | None:
    """Return the revision that a module defines, without running the module.

    Return None when it does not have alembic's form.
    """
    assigned = dict(_assigned(module))
    revision, down = assigned.get("revision"), assigned.get("down_revision")
    several = (down,) if isinstance(down, str) else down or ()
    if not isinstance(revision, str) or not isinstance(several, tuple | list):
        return None
    return Other(revision, tuple(several), file)


def _assigned(module: ast.Module) -> Iterator[tuple[str, object]]:
    """Yield the names at module level that have a literal value."""
    for statement in module.body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        with suppress(ValueError):
            value = ast.literal_eval(statement.value)
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))


def _upgrade(text: str) -> str:
    body = parsed(text).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    return "\n".join(ast.get_source_segment(text, node) or "" for node in functions)
