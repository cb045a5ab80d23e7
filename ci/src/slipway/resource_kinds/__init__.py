"""The kinds of resources in our templates, as AWS's provider schemas describe them.

`make pages` generates the table from the schemas in cfn-lint. docs/provider_schemas.py lists the kinds.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

HANDLERS = ("create", "read", "update", "delete", "list")


@dataclass(frozen=True, kw_only=True)
class ResourceKind:
    """A kind of resource. Nested properties have paths such as `Endpoint/Address`."""

    name: str
    identifier: tuple[str, ...]  # the properties that together identify a resource
    create_only: frozenset[str]  # properties whose change replaces the resource
    maybe_create_only: frozenset[str]  # properties whose change may replace the resource
    read_only: frozenset[str]  # properties that AWS sets
    write_only: frozenset[str]  # properties that AWS never returns
    permissions: Mapping[str, tuple[str, ...]]  # IAM actions by handler
    tags: str | None  # the property for tags, or None
    values: Mapping[str, Any]  # the JSON schema of the properties, with types, members and enums

    @property
    def has_drift_detection(self) -> bool:
        """Whether CloudFormation can compare the resource with its template, because it can read the resource."""
        return "read" in self.permissions

    def recreation(self, path: str) -> str:
        """Return whether a change of a property, or of a part of one, replaces the resource: Always, Conditionally or Never."""
        above = {"/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 2)}
        if above & self.create_only:
            return "Always"
        return "Conditionally" if above & self.maybe_create_only else "Never"


@cache
def kinds() -> Mapping[str, ResourceKind]:
    table = json.loads((files(__name__) / "kinds.json").read_text())
    return {name: _kind(name, entry) for name, entry in table.items()}


def permissions(names: Iterable[str], handlers: Iterable[str] = HANDLERS) -> tuple[str, ...]:
    """Return the IAM actions that CloudFormation may need for resources of these kinds, sorted."""
    wanted = tuple(handlers)
    each = (kinds()[name].permissions.get(handler, ()) for name in names for handler in wanted)
    return tuple(sorted({action for actions in each for action in actions}))


def _kind(name: str, entry: Mapping[str, Any]) -> ResourceKind:
    return ResourceKind(
        name=name,
        identifier=tuple(entry["identifier"]),
        create_only=frozenset(entry["createOnly"]),
        maybe_create_only=frozenset(entry["conditionalCreateOnly"]),
        read_only=frozenset(entry["readOnly"]),
        write_only=frozenset(entry["writeOnly"]),
        permissions={handler: tuple(actions) for handler, actions in entry["handlers"].items()},
        tags=entry.get("tags"),
        values={key: entry[key] for key in ("properties", "required", "definitions") if key in entry},
    )
