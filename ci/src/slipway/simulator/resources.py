"""The resources of a region from CloudFormation's point of view: by kind and identifier, with properties and attributes.

Services without a state of their own (EC2, RDS) answer from here.
"""

from dataclasses import dataclass, field
from typing import Any

from slipway.untrusted import strings_in

Model = dict[str, Any]  # properties and read-only attributes


@dataclass
class Resources:
    """Models by kind and identifier."""

    models: dict[str, dict[str, Model]] = field(default_factory=dict)

    def of(self, kind: str) -> list[Model]:
        return list(self.models.get(kind, {}).values())

    def find(self, kind: str, identifier: str) -> Model | None:
        return self.models.get(kind, {}).get(identifier)

    def put(self, kind: str, identifier: str, model: Model) -> None:
        self.models.setdefault(kind, {})[identifier] = model

    def remove(self, kind: str, identifier: str) -> None:
        self.models.get(kind, {}).pop(identifier, None)

    def users(self, kind: str, identifier: str) -> list[str]:
        """Return the kinds of other resources whose properties refer to this one."""
        return sorted(
            other
            for other, models in self.models.items()
            for name, model in models.items()
            if (other, name) != (kind, identifier) and identifier in strings_in(model)
        )
